//! `Arc<T>` and `Box<T>` are backends where `T` is one.

/// Implements a backend trait for `Arc<T>` and `Box<T>` by handing every call on.
macro_rules! forward_to_inner {
    ($trait:ident: {
        $(fn $plain:ident() -> $plain_ret:ty;)?
        $(async fn $name:ident($($arg:ident: $type:ty),* $(,)?) -> $ret:ty;)*
    }) => {
        forward_to_inner!(@impl $trait [std::sync::Arc<T>] [$($plain $plain_ret)?] $([$name [$($arg $type),*] $ret])*);
        forward_to_inner!(@impl $trait [Box<T>] [$($plain $plain_ret)?] $([$name [$($arg $type),*] $ret])*);
    };
    (@impl $trait:ident [$outer:ty] [$($plain:ident $plain_ret:ty)?]
        $([$name:ident [$($arg:ident $type:ty),*] $ret:ty])*) => {
        #[async_trait::async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<T: $trait + ?Sized> $trait for $outer {
            $(fn $plain(&self) -> $plain_ret {
                $trait::$plain(&**self)
            })?
            $(async fn $name(&self, $($arg: $type),*) -> $ret {
                $trait::$name(&**self, $($arg),*).await
            })*
        }
    };
}
pub(crate) use forward_to_inner;

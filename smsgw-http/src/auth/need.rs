use smsgw_core::account::Scope;

/// What a route needs of the token that it is called with.
pub(crate) trait Need: Send + Sync + 'static {
    /// The scope, where one is needed beside the token.
    const SCOPE: Option<Scope>;
    /// Another scope that will do in its place.
    const OR: Option<Scope> = None;
    /// Whether its requests count against the rate of the account.
    const LIMITED: bool = true;
}

/// A good token, whatever its scopes.
pub(crate) struct AnyToken;

impl Need for AnyToken {
    const SCOPE: Option<Scope> = None;
}

macro_rules! scopes {
    ($($name:ident),*) => {
        $(
            #[doc = concat!("A token with [`Scope::", stringify!($name), "`].")]
            pub(crate) struct $name;

            impl Need for $name {
                const SCOPE: Option<Scope> = Some(Scope::$name);
            }
        )*
    };
}

scopes!(MessagesRead, MessagesWrite, DevicesRead, DevicesAdmin, InboxRead, Admin);

/// A token with [`Scope::MetricsRead`].
pub(crate) struct MetricsRead;

impl Need for MetricsRead {
    const SCOPE: Option<Scope> = Some(Scope::MetricsRead);
    /// Whoever has used up a rate is the one to be seen in the numbers.
    const LIMITED: bool = false;
}

/// A token with [`Scope::MessagesRead`] or [`Scope::DevicesRead`].
pub(crate) struct EventsRead;

impl Need for EventsRead {
    const SCOPE: Option<Scope> = Some(Scope::MessagesRead);
    const OR: Option<Scope> = Some(Scope::DevicesRead);
}

/// A token with [`Scope::Broker`].
pub(crate) struct Broker;

impl Need for Broker {
    const SCOPE: Option<Scope> = Some(Scope::Broker);
    /// It asks for all devices at once; a broker that hears nothing may let everybody do everything.
    const LIMITED: bool = false;
}

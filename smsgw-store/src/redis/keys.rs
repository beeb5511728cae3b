use std::sync::LazyLock;

use redis::{Script, ScriptInvocation};
use smsgw_core::message::Priority;

/// The consumer group that all gateways lease from.
pub(super) const GROUP: &str = "smsgw";

/// The lines of a queue, in the order in which they are emptied.
pub(super) const LINES: [Priority; 2] = [Priority::High, Priority::Normal];

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {$(
        pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(include_str!(concat!("scripts/", $file))));
    )*};
}

scripts! {
    OPEN = "open.lua";
    PUSH = "push.lua";
    TAKE = "take.lua";
    SETTLE = "settle.lua";
    CLOSE = "close.lua";
    DEPTH = "depth.lua";
    RECORD = "record.lua";
}

/// The two streams of a queue.
#[derive(Debug, Clone)]
pub(super) struct Keys(pub(super) [String; 2]);

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self(LINES.map(|priority| format!("{prefix}queue:{}", priority.as_str())))
    }

    /// `script` on both streams, in the order of [`LINES`].
    pub(super) fn invoke<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut invocation = script.key(&self.0[0]);
        invocation.key(&self.0[1]);
        invocation
    }
}

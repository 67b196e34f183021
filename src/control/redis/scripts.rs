//! The scripts, put together from the files in `lua/`. Redis knows a script by its digest; where it does
//! not know it any more, the text is sent.

use std::sync::LazyLock;

/// One script.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    pub(super) digest: String,
}

/// A script of files. Redis refuses one without flags before it starts where memory is full or the
/// server may only be read; `allow-oom` is for those that let go of more than they take, and for the
/// kill switch.
macro_rules! script {
    ($name:ident, $flags:literal, [$($part:literal),*]) => {
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            let text = concat!("#!lua", $flags, "\n", $(include_str!(concat!("lua/", $part, ".lua"))),*);
            let digest = redis::Script::new(text).get_hash().to_owned();
            Script { name: stringify!($name), text, digest }
        });
    };
}

script!(
    ADMIT,
    "",
    [
        "fence", "history", "touches", "counter", "locks", "switches", "admit"
    ]
);
script!(
    CHARGE,
    "",
    [
        "fence", "history", "touches", "counter", "switches", "charge"
    ]
);
script!(
    END,
    " flags=allow-oom",
    [
        "fence",
        "history",
        "touches",
        "counter",
        "give_back",
        "locks",
        "end"
    ]
);
script!(LEAVE, " flags=allow-oom", ["fence", "locks", "leave"]);
script!(SWITCH, " flags=allow-oom", ["fence", "switches", "switch"]);
script!(POLL, " flags=allow-oom", ["fence", "switches", "poll"]);
script!(
    SWEEP,
    " flags=allow-oom",
    ["fence", "history", "touches", "counter", "sweep"]
);
script!(RELEASE, " flags=allow-oom", ["fence", "release"]);
script!(REPLICAS, " flags=no-writes", ["fence", "replicas"]);
script!(
    USAGE,
    " flags=no-writes",
    ["fence", "history", "touches", "counter", "usage"]
);
script!(MEMORY, " flags=no-writes", ["memory"]);
script!(INSTALL, "", ["fence", "history", "touches", "install"]);
script!(
    LENGTHEN,
    "",
    ["fence", "history", "touches", "counter", "lengthen"]
);

/// A kind of fault.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub help: &'static str,
    /// What can be told about it.
    pub params: &'static [Param],
}

/// A parameter of a kind.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What a value looks like.
    pub shape: Shape,
    /// The value when none is given; without one the parameter is required.
    pub default: Option<&'static str>,
    /// What it means.
    pub help: &'static str,
}

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `200ms`, `1.5s`: from 0 to 60 s.
    Duration,
    /// `0.5` or `50%`: from 0 to 1.
    Share,
    /// Name of a gRPC code other than OK.
    Code,
}

impl Shape {
    /// The range in words.
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Duration => "a duration from 0 to 60 s, such as 200ms or 1.5s",
            Self::Share => "a share from 0 to 1, such as 0.5 or 50%",
            Self::Code => "a gRPC code such as UNAVAILABLE or INTERNAL",
        }
    }
}

/// Every kind, in the order in which help shows them.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "latency",
        help: "delays every request of the target before its handler runs",
        params: &[
            Param {
                name: "p50",
                shape: Shape::Duration,
                default: None,
                help: "delay of the median request; of every request when p99 is absent",
            },
            Param {
                name: "p99",
                shape: Shape::Duration,
                default: Some(""),
                help: "delay that one in a hundred exceeds; the delays are then log-normal",
            },
        ],
    },
    Kind {
        name: "error",
        help: "answers a share of the target's requests with an error at once",
        params: &[
            Param { name: "rate", shape: Shape::Share, default: Some("1"), help: "share of requests that fail" },
            Param {
                name: "code",
                shape: Shape::Code,
                default: Some("UNAVAILABLE"),
                help: "gRPC code of the answer; the gateway answers its HTTP equivalent",
            },
        ],
    },
    Kind { name: "kill", help: "ends the target's process with SIGKILL; the supervisor starts it again", params: &[] },
];

//! What a simulated collector and supervisor answer besides figures.

use collector_api::console as wire;
use mall_api::control;

use super::{BEGIN_S, FAULT_AT};
use crate::model::data::SECOND_NS;

/// A collector inside a supervisor.
pub fn hello() -> wire::HelloReply {
    wire::HelloReply {
        protocol: 1,
        version: "0.1.0".to_owned(),
        stack: "mall".to_owned(),
        started_unix_ns: BEGIN_S * SECOND_NS,
        otlp_grpc: "127.0.0.1:4317".to_owned(),
        otlp_http: "127.0.0.1:4318".to_owned(),
        has_control: true,
        ..Default::default()
    }
}

/// Ten processes, all ready.
pub fn status() -> control::StatusReply {
    let mut processes = vec![process("gateway", 0)];
    for role in ["user-rpc", "order-rpc", "pay-rpc"] {
        processes.extend((1..=3).map(|replica| process(role, replica)));
    }
    control::StatusReply {
        stack: "mall".to_owned(),
        ready: true,
        ready_ms: 1_420,
        processes,
        phase: "ready".to_owned(),
        ..Default::default()
    }
}

fn process(role: &str, replica: u32) -> control::Process {
    control::Process {
        role: role.to_owned(),
        replica,
        state: "ready".to_owned(),
        ready_ms: 410 + u64::from(replica) * 70,
        listen: format!("127.0.0.1:{}", 40_000 + replica),
        ..Default::default()
    }
}

/// A trace of one slow order: 9 spans, a pick, a fault and a failed statement.
pub fn trace() -> wire::Trace {
    type Span = (u32, &'static str, &'static str, &'static str, i64, u64, u32, &'static str);
    let spans: [Span; 9] = [
        (0, "loadgen", "", "POST /api/order/create", 0, 412_300_000, 3, ""),
        (1, "gateway", "gateway", "CreateOrderLogic.CreateOrder", 600_000, 411_400_000, 2, ""),
        (2, "gateway", "gateway", "verify_user", 900_000, 4_100_000, 3, ""),
        (3, "user-rpc", "user-rpc/2", "mall.User/GetUser", 1_400_000, 3_000_000, 2, ""),
        (2, "gateway", "gateway", "create_order", 5_200_000, 31_000_000, 3, ""),
        (3, "order-rpc", "order-rpc/1", "mall.Order/CreateOrder", 5_900_000, 29_500_000, 2, ""),
        (
            2,
            "gateway",
            "gateway",
            "initiate_payment",
            36_500_000,
            375_000_000,
            3,
            "pick pay-rpc/1 over pay-rpc/3   load 14,071 < 22,446   regret +331 ms",
        ),
        (3, "pay-rpc", "pay-rpc/1", "mall.Pay/InitiatePayment", 37_200_000, 373_900_000, 2, "fault latency 331 ms"),
        (4, "pay-rpc", "pay-rpc/1", "INSERT payments", 380_000_000, 6_000_000, 2 << 3 | 3, ""),
    ];
    let mut strings = vec![String::new()];
    let mut index = |text: &str| {
        strings.iter().position(|held| held == text).unwrap_or_else(|| {
            strings.push(text.to_owned());
            strings.len() - 1
        }) as u32
    };
    let mut trace = wire::Trace {
        trace_id: vec![9; 16],
        start_unix_ns: (BEGIN_S + FAULT_AT + 3) * SECOND_NS,
        duration_ns: 412_300_000,
        complete: true,
        ..Default::default()
    };
    for (row, (depth, service, instance, operation, start, length, flags, note)) in spans.into_iter().enumerate() {
        trace.span_id.push(row as u64 + 1);
        trace.depth.push(depth);
        trace.service.push(index(service));
        trace.instance.push(index(instance));
        trace.operation.push(index(operation));
        trace.note.push(index(note));
        trace.start_ns.push(start);
        trace.span_duration_ns.push(length);
        trace.flags.push(flags);
        trace.self_ns.push(length / 10);
        trace.on_path_ns.push(if row == 2 || row == 3 { 0 } else { length / 4 });
    }
    let section = |row, from_ns, to_ns| wire::PathSection { row, from_ns, to_ns };
    trace.critical_path = vec![
        section(0, 412_000_000, 412_300_000),
        section(7, 386_000_000, 411_000_000),
        section(8, 380_000_000, 386_000_000),
        section(7, 37_200_000, 380_000_000),
        section(5, 5_900_000, 35_400_000),
        section(1, 600_000, 5_900_000),
        section(0, 0, 600_000),
    ];
    trace.strings = strings;
    trace
}

//! Compiles the shop's protocols with a pure-Rust compiler, so that nobody needs `protoc`.

const PROTOS: [&str; 5] = ["user.proto", "order.proto", "pay.proto", "control.proto", "etcd.proto"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}

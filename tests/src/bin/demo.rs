//! The demonstration: see `deploy/demo`. The same binary is each phone, and the keeper of the
//! server.

fn main() -> std::process::ExitCode {
    tests::demo::main()
}

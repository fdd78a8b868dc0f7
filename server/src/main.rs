//! The server of BinhYen.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::cli::main()
}

//! The program: one binary for everything.

use std::process::ExitCode;

fn main() -> ExitCode {
    daybook::commands::main()
}

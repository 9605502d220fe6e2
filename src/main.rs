//! The `imgspec` program: everything is in the library's `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    imgspec::cli::main(std::env::args_os())
}

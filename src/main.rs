//! The `imgspec` binary; the implementation is in the library's `cli` module.

use std::process::ExitCode;

fn main() -> ExitCode {
    imgspec::cli::main(std::env::args_os())
}

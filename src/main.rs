//! The `imgspec` binary; the implementation is in the library's `cli` module.

use std::process::ExitCode;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    imgspec::backend::serve_sandbox();
    imgspec::cli::main(std::env::args_os())
}

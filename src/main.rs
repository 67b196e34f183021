//! The `writegate` program: arguments and environment in, exit code out. Everything is in the
//! library.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    writegate::cli::run(std::env::args_os(), &environment).into()
}

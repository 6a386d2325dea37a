//! The C API, and two things that it lacks.
pub use wasmtime_c_api::*;

use wasmtime_c_api::wasmtime::{Config, Engine, WasmBacktraceDetails};

// The C API's handles are repr(C) and hold nothing else; size and alignment would tell of a change.
const _: () = {
    assert!(size_of::<wasm_config_t>() == size_of::<Config>() && align_of::<wasm_config_t>() == align_of::<Config>());
    assert!(size_of::<wasm_engine_t>() == size_of::<Engine>() && align_of::<wasm_engine_t>() == align_of::<Engine>());
};

/// Backtraces name file and line where a module has debug information, whatever the environment says.
///
/// # Safety
/// `config` comes from `wasm_config_new`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn entresol_wasmtime_backtrace_lines(config: *mut wasm_config_t) {
    let config = unsafe { &mut *config.cast::<Config>() };
    config.wasm_backtrace_details(WasmBacktraceDetails::Enable);
}

/// `wasm_engine_new_with_config`, which ends the process where there is too little address space; this returns an error.
///
/// # Safety
/// `config` comes from `wasm_config_new`, and is taken.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn entresol_wasmtime_engine_new(
    config: *mut wasm_config_t,
    out: *mut *mut wasm_engine_t,
) -> Option<Box<wasmtime_error_t>> {
    let config = unsafe { Box::from_raw(config.cast::<Config>()) };
    match Engine::new(&config) {
        Ok(engine) => {
            unsafe { out.write(Box::into_raw(Box::new(engine)).cast()) };
            None
        }
        Err(error) => Some(Box::new(error.into())),
    }
}

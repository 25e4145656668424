//! Keeps the memory of programs that the controller starts out of core dumps.

/// Neither this process nor the programs that it starts write a core dump: those of source
/// `custom.process` hold what they print, and being dumpable is not inherited (prctl(2)) while
/// limits are (getrlimit(2)).
///
/// # Errors
/// Where the kernel does not let it.
#[cfg(target_os = "linux")]
pub fn forbid_core_dumps() -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}

/// Left to the system elsewhere.
#[cfg(not(target_os = "linux"))]
pub fn forbid_core_dumps() -> std::io::Result<()> {
    Ok(())
}

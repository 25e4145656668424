//! Keeps the memory of a program that holds credentials to itself.

/// No core dump is written of this process, and only processes with `CAP_SYS_PTRACE` read its
/// memory or its environment: others of its own user do not. Programs that it starts are as they
/// were.
///
/// # Errors
/// Where the kernel does not let it.
#[cfg(target_os = "linux")]
pub fn make_not_dumpable() -> std::io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Other systems have no such thing.
#[cfg(not(target_os = "linux"))]
pub fn make_not_dumpable() -> std::io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, dumpable_behavior};

    #[test]
    fn a_program_that_asks_for_it_is_not_dumpable() {
        super::make_not_dumpable().expect("done");
        assert_eq!(dumpable_behavior().expect("read"), DumpableBehavior::NotDumpable);
    }

    #[test]
    fn each_program_asks_for_it_first() {
        for (name, main) in [
            ("agent", include_str!("agent.rs")),
            ("controller", include_str!("controller.rs")),
            ("kubectl-refreshable", include_str!("kubectl-refreshable.rs")),
        ] {
            let (_, body) = main.split_once("async fn main() -> ExitCode {\n").expect("a main");
            let first = body.lines().next().unwrap_or_default();
            assert!(first.contains("make_not_dumpable()"), "{name}: {first}");
        }
    }
}

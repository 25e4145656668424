//! Tests of what Pods see, on a node whose kubelet looks at each Pod every second.

mod injection;
mod install;
mod registry;
mod restart;
mod rotation;
mod waiting;

use super::ground::Ground;
use std::time::Duration;
use tokio::sync::OnceCell;

/// The ground that these tests share.
async fn ground() -> &'static Ground {
    static SHARED: OnceCell<Ground> = OnceCell::const_new();
    SHARED.get_or_init(|| Ground::prepare(Duration::from_secs(1))).await
}

//! A mounted Secret, as the kubelet lays it out.
//!
//! Every name is a link through `..data`, and `..data` is a link that is replaced in one go, so that a reader never
//! sees half of a change.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Makes `folder` hold `data`: for the first time, or anew after a change.
pub fn write(folder: &Path, data: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    let former = std::fs::read_link(folder.join("..data")).ok();
    let version = jiff::Timestamp::now().strftime("..%Y_%m_%d_%H_%M_%S.%9f").to_string();
    std::fs::create_dir(folder.join(&version))?;
    for (name, content) in data {
        std::fs::write(folder.join(&version).join(name), content)?;
    }
    symlink(&version, folder.join("..data_tmp"))?;
    std::fs::rename(folder.join("..data_tmp"), folder.join("..data"))?;
    for name in data.keys() {
        let link = folder.join(name);
        if std::fs::symlink_metadata(&link).is_err() {
            symlink(Path::new("..data").join(name), link)?;
        }
    }
    match former {
        Some(former) => std::fs::remove_dir_all(folder.join(former)),
        None => Ok(()),
    }
}

//! A small file system in memory, to be filled.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::keeper::Folder;

/// One that is taken away when dropped.
pub struct SmallDisk {
    path: PathBuf,
    _folder: Option<Folder>,
}

impl SmallDisk {
    /// In a folder of its own; `None` where nobody may mount.
    pub fn mount(size: &str) -> Option<Self> {
        let folder = Folder::create();
        mounted(folder.path(), size, "0777")
            .then(|| Self { path: folder.path().to_owned(), _folder: Some(folder) })
    }

    /// At this path, for its owner only; `None` where nobody may mount.
    pub fn mount_at(path: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir_all(&path).unwrap();
        mounted(&path, size, "0700").then_some(Self { path, _folder: None })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes all the space that is left, into this file.
    pub fn fill(&self, name: &str) {
        let mut file = File::options().create(true).append(true).open(self.path.join(name)).unwrap();
        for piece in [1 << 20, 4096, 1] {
            while file.write(&vec![b'x'; piece]).is_ok_and(|written| written > 0) {}
        }
    }
}

fn mounted(path: &Path, size: &str, mode: &str) -> bool {
    let options = format!("size={size},mode={mode}");
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", &options, "multiboard-sync-test"]).arg(path);
    mount.output().is_ok_and(|output| output.status.success())
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.path).output());
    }
}

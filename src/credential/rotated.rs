//! The refresh token of today. A CRM may answer a refresh with another one, and end the one before: then
//! it is written to the file that held the old one, whole or not at all, so that a restart finds it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::config::Secret;

/// The token to refresh with: the file's, which another replica may have written, unless ours is newer.
pub(super) fn today(first: &Secret, file: Option<&Path>, newer: Option<&Secret>) -> Secret {
    if let Some(newer) = newer {
        return newer.clone();
    }
    let written = file.and_then(|file| fs::read_to_string(file).ok());
    let written = written.map(|text| text.trim_end().to_owned());
    match written.filter(|text| !text.is_empty()) {
        Some(text) => Secret::new(text),
        None => first.clone(),
    }
}

/// Puts a token in place of the file's.
pub(super) fn keep(file: &Path, token: &str) -> io::Result<()> {
    let beside = beside(file);
    let mode = fs::metadata(file).map_or(0o600, |found| found.permissions().mode() & 0o777);
    // one that a crash left behind, or somebody put there
    if let Err(error) = fs::remove_file(&beside) {
        tracing::debug!(%error, "nothing stands in the way");
    }
    let written = write(&beside, token, mode).and_then(|()| fs::rename(&beside, file));
    if written.is_err()
        && let Err(error) = fs::remove_file(&beside)
    {
        tracing::debug!(%error, "nothing to take away");
    }
    written.and_then(|()| fs::File::open(folder(file))?.sync_all())
}

/// The folder of a file.
fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        Some(_) | None => Path::new("."),
    }
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    file.with_file_name(name)
}

fn write(file: &Path, token: &str, mode: u32) -> io::Result<()> {
    let mut open = OpenOptions::new();
    let mut file = open.write(true).create_new(true).mode(mode).open(file)?;
    writeln!(file, "{token}")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_takes_the_place_of_the_files_and_keeps_its_rights() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("refresh");
        fs::write(&file, "old\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        keep(&file, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new\n");
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let first = Secret::new("first");
        assert_eq!(today(&first, Some(&file), None).expose(), "new");
        assert_eq!(today(&first, None, None).expose(), "first");
        let newer = Secret::new("newer");
        assert_eq!(today(&first, Some(&file), Some(&newer)).expose(), "newer");
    }

    #[test]
    fn a_folder_that_cannot_be_written_leaves_the_file_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("gone").join("refresh");
        assert!(keep(&missing, "new").is_err());
    }
}

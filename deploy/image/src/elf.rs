//! Needs of a program: its loader and its libraries.

use crate::{Result, at};
use object::Endianness;
use object::elf::{DT_NEEDED, FileHeader64, PT_INTERP};
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};
use std::collections::BTreeSet;
use std::path::Path;

/// Needs of a program, as the dynamic linker reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The program that loads it (`/lib64/ld-linux-x86-64.so.2`); none where it is static.
    pub interpreter: Option<String>,
    /// Libraries by their names (`libc.so.6`).
    pub libraries: BTreeSet<String>,
    /// The versions of symbols that it asks of them (`GLIBC_2.34`).
    pub versions: BTreeSet<String>,
    /// Go's name of the machine that it runs on: `amd64` or `arm64`.
    pub architecture: String,
}

impl Needs {
    /// Reads a program or library.
    ///
    /// # Errors
    /// Where it is no 64-bit ELF file.
    pub fn of(file: &Path) -> Result<Self> {
        let data = std::fs::read(file).map_err(at(file))?;
        Self::read(&data).map_err(|error| format!("{}: {error}", file.display()).into())
    }

    fn read(data: &[u8]) -> Result<Self> {
        let header = FileHeader64::<Endianness>::parse(data)?;
        let endian = header.endian()?;
        let architecture = match header.e_machine(endian) {
            object::elf::EM_X86_64 => "amd64".to_owned(),
            object::elf::EM_AARCH64 => "arm64".to_owned(),
            other => return Err(format!("machine {other} is not known here").into()),
        };
        let mut needs = Self { architecture, ..Self::default() };
        for segment in header.program_headers(endian, data)? {
            if segment.p_type(endian) == PT_INTERP {
                let path = segment.data(endian, data).map_err(|()| "its interpreter is cut off")?;
                needs.interpreter =
                    Some(String::from_utf8_lossy(path).trim_end_matches('\0').to_owned());
            }
        }
        let sections = header.sections(endian, data)?;
        if let Some((dynamic, strings)) = sections.dynamic(endian, data)? {
            let strings = sections.strings(endian, data, strings)?;
            for entry in dynamic {
                if entry.tag(endian) == DT_NEEDED {
                    let name = entry.string(endian, strings)?;
                    needs.libraries.insert(String::from_utf8_lossy(name).into_owned());
                }
            }
        }
        if let Some((mut files, strings)) = sections.gnu_verneed(endian, data)? {
            let strings = sections.strings(endian, data, strings)?;
            while let Some((_, mut versions)) = files.next()? {
                while let Some(version) = versions.next()? {
                    let name = version.name(endian, strings)?;
                    needs.versions.insert(String::from_utf8_lossy(name).into_owned());
                }
            }
        }
        Ok(needs)
    }

    /// The newest of the C library's versions among them, as (2, 36).
    pub fn glibc(&self) -> Option<(u32, u32)> {
        let numbers = self
            .versions
            .iter()
            .filter_map(|version| version.strip_prefix("GLIBC_")?.split_once('.'));
        numbers
            .filter_map(|(major, minor)| {
                Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
            })
            .max()
    }
}

/// The versions of symbols that a library offers (`GLIBC_2.34`).
///
/// # Errors
/// Where it is no 64-bit ELF file.
pub fn offered(file: &Path) -> Result<BTreeSet<String>> {
    let data = std::fs::read(file).map_err(at(file))?;
    let data = data.as_slice();
    let header = FileHeader64::<Endianness>::parse(data)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    let mut offered = BTreeSet::new();
    if let Some((mut definitions, strings)) = sections.gnu_verdef(endian, data)? {
        let strings = sections.strings(endian, data, strings)?;
        while let Some((_, mut names)) = definitions.next()? {
            // The first is the version itself, the others are what it builds on.
            if let Some(name) = names.next()? {
                offered.insert(String::from_utf8_lossy(name.name(endian, strings)?).into_owned());
            }
        }
    }
    Ok(offered)
}

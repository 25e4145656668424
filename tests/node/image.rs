//! The image of the controller, made without a container engine, looked into without one.

use crate::harness::node::images::{self, Image};
use crate::harness::{background, programs};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

fn controller() -> Image {
    images::own("controller", Path::new(env!("CARGO_BIN_EXE_refreshable-controller")))
}

/// A file of an archive.
fn within(archive: &Path, file: &str) -> Vec<u8> {
    let output = Command::new("tar")
        .args(["--extract", "--to-stdout", "--file"])
        .arg(archive)
        .arg(file)
        .output();
    let output = output.expect("tar starts");
    assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn document(archive: &Path, file: &str) -> Value {
    serde_json::from_slice(&within(archive, file)).expect("JSON")
}

fn blob(descriptor: &Value) -> String {
    format!("blobs/{}", descriptor["digest"].as_str().expect("a digest").replace(':', "/"))
}

#[tokio::test]
async fn the_same_program_gives_the_same_image() {
    let (one, other) =
        tokio::join!(background::blocking(controller), background::blocking(controller));
    assert!(one.digest.starts_with("sha256:"), "{}", one.digest);
    assert_eq!(one.digest, other.digest);
    let bytes = |image: &Image| std::fs::read(&image.archive).expect("an archive");
    assert!(bytes(&one) == bytes(&other), "byte for byte");
}

#[tokio::test]
async fn the_image_says_what_it_is_and_runs_as_nobody() {
    let image = background::blocking(controller).await;
    let index = document(&image.archive, "index.json");
    assert_eq!(index["manifests"][0]["digest"], image.digest);
    let manifest = document(&image.archive, &blob(&index["manifests"][0]));
    let configuration = document(&image.archive, &blob(&manifest["config"]));
    assert_eq!(configuration["os"], "linux");
    assert_eq!(configuration["created"], "2001-09-09T01:46:40Z", "SOURCE_DATE_EPOCH");
    let config = &configuration["config"];
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Entrypoint"], json!(["/refreshable-controller"]));
    for (name, value) in [
        ("title", "refreshable-controller"),
        ("version", env!("CARGO_PKG_VERSION")),
        ("revision", "unknown"),
        ("created", "2001-09-09T01:46:40Z"),
        ("licenses", "Apache-2.0"),
        ("description", env!("CARGO_PKG_DESCRIPTION")),
    ] {
        assert_eq!(config["Labels"][format!("org.opencontainers.image.{name}")], value, "{name}");
    }

    let files = files(&image, &manifest);
    let (mode, owner) = &files["refreshable-controller"];
    assert_eq!(
        (mode.as_str(), owner.as_str()),
        ("-rwxr-xr-x", "0/0"),
        "not the user's own to change"
    );
    for file in
        ["etc/ssl/certs/ca-certificates.crt", "etc/passwd", "usr/share/doc/refreshable/LICENSE"]
    {
        assert!(files.contains_key(file), "{file}");
    }
    let shells = files.keys().filter(|path| path.contains("bin/") && !path.ends_with("bin/"));
    assert_eq!(shells.collect::<Vec<_>>(), Vec::<&String>::new(), "nothing else runs");
    let odd =
        files.iter().filter(|(_, (mode, _))| mode[1..].contains(['s', 'S']) || &mode[7..9] == "rw");
    let odd: Vec<_> =
        odd.filter(|(path, (mode, _))| !(mode.starts_with('l') || *path == "tmp")).collect();
    assert!(odd.is_empty(), "no file changes the user or may be changed by anybody: {odd:?}");
}

/// All files of all layers with their modes and owners.
fn files(image: &Image, manifest: &Value) -> BTreeMap<String, (String, String)> {
    let folder = crate::harness::scratch::subfolder("layers");
    let mut files = BTreeMap::new();
    for (number, layer) in manifest["layers"].as_array().expect("layers").iter().enumerate() {
        let path = folder.join(format!("{number}.tar.gz"));
        std::fs::write(&path, within(&image.archive, &blob(layer))).expect("a layer");
        let mut list = Command::new("tar");
        list.args(["--numeric-owner", "--list", "--verbose", "--gzip", "--file"]).arg(&path);
        let output = list.output().expect("tar starts");
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            files.insert(words[5].to_owned(), (words[0].to_owned(), words[1].to_owned()));
        }
    }
    files
}

#[tokio::test]
async fn the_image_lists_what_it_is_made_of_and_under_which_licences() {
    let (image, bom) = tokio::join!(
        background::blocking(controller),
        background::blocking(|| {
            let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
            let tool =
                Command::new(programs::image_tool()).args(["--manifest", manifest, "bom"]).output();
            serde_json::from_slice::<Value>(&tool.expect("the tool starts").stdout).expect("JSON")
        })
    );
    assert_eq!((&bom["bomFormat"], &bom["specVersion"]), (&json!("CycloneDX"), &json!("1.5")));
    assert_eq!(bom["metadata"]["component"]["name"], "refreshable");
    let names = |name: &str| {
        bom["components"].as_array().expect("components").iter().any(|c| c["name"] == *name)
    };
    for linked in ["kube", "aws-sdk-sts", "rustls", "aws-lc-sys", "tokio"] {
        assert!(names(linked), "{linked}");
    }
    for not_linked in ["proptest", "serde_derive", "cmake", "refreshable"] {
        assert!(!names(not_linked), "{not_linked}");
    }
    let components = bom["components"].as_array().expect("components");
    let without = components.iter().filter(|c| c["licenses"].as_array().is_none_or(Vec::is_empty));
    assert_eq!(without.count(), 0, "each says its licence");

    let index = document(&image.archive, "index.json");
    let manifest = document(&image.archive, &blob(&index["manifests"][0]));
    let files = files(&image, &manifest);
    assert!(files.contains_key("usr/share/doc/refreshable/sbom.cdx.json"));
    let standard = files
        .keys()
        .filter(|f| f.starts_with("usr/share/doc/refreshable/licences/standard/"))
        .count();
    assert!(standard > 0);
    for component in components {
        let part = |name: &str| component[name].as_str().expect("text");
        let folder =
            format!("usr/share/doc/refreshable/licences/{}-{}/", part("name"), part("version"));
        let own = files.keys().any(|file| file.starts_with(&folder) && *file != folder);
        let expression = component["licenses"][0]["expression"].as_str().unwrap_or_default();
        // A crate without a text of its own comes under a standard one.
        let named = expression
            .split([' ', '(', ')'])
            .filter(|word| !["OR", "AND", "WITH", ""].contains(word));
        let text = named.clone().any(|l| {
            files.contains_key(&format!("usr/share/doc/refreshable/licences/standard/{l}"))
        });
        assert!(own || text, "{folder} {expression}");
    }
}

#[tokio::test]
async fn the_base_has_what_the_program_is_linked_with() {
    let (needs, base) = background::blocking(|| {
        let tool = programs::image_tool();
        let output = Command::new(tool)
            .arg("needs")
            .arg(env!("CARGO_BIN_EXE_refreshable-controller"))
            .output();
        (
            serde_json::from_slice::<Value>(&output.expect("the tool starts").stdout)
                .expect("JSON"),
            programs::image_base(),
        )
    })
    .await;
    let texts = |name: &str| -> BTreeSet<String> {
        needs[name]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|v| Some(v.as_str()?.to_owned()))
            .collect()
    };
    // Whatever else it were linked with, Distroless's cc image would have to have.
    let offered = [
        "libc.so.6",
        "libm.so.6",
        "libgcc_s.so.1",
        "ld-linux-x86-64.so.2",
        "ld-linux-aarch64.so.1",
    ];
    for library in texts("libraries") {
        assert!(offered.contains(&library.as_str()), "{library}");
    }
    // ldd of the base itself: its own dynamic linker, its own libraries.
    let linker = find(
        &base,
        Path::new(needs["interpreter"].as_str().expect("an interpreter"))
            .file_name()
            .expect("a name"),
    );
    let folder = linker.parent().expect("a folder");
    let run = Command::new(&linker)
        .args(["--inhibit-cache", "--library-path"])
        .arg(folder)
        .arg(env!("CARGO_BIN_EXE_refreshable-controller"))
        .arg("--version")
        .output()
        .expect("the base's dynamic linker starts");
    let said =
        String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success() && said.contains(env!("CARGO_PKG_VERSION")), "{said}");
    for version in texts("versions").iter().filter_map(|v| v.strip_prefix("GLIBC_2.")) {
        let minor: u32 = version.split('.').next().and_then(|m| m.parse().ok()).expect("a number");
        assert!(minor <= 36, "Debian 12, and with it Distroless, has glibc 2.36, not 2.{minor}");
    }
}

fn find(folder: &Path, name: &std::ffi::OsStr) -> std::path::PathBuf {
    let output = Command::new("find")
        .arg(folder)
        .args(["-type", "f", "-name"])
        .arg(name)
        .output()
        .expect("find starts");
    let found = String::from_utf8(output.stdout).expect("paths");
    found
        .lines()
        .next()
        .unwrap_or_else(|| panic!("no {} in {}", name.display(), folder.display()))
        .into()
}

#[test]
fn the_dockerfile_makes_what_the_tool_makes() {
    let dockerfile = include_str!("../../deploy/image/Dockerfile");
    let has = |text: &str| assert!(dockerfile.contains(text), "{text}");
    has("FROM gcr.io/distroless/cc-debian12:nonroot@sha256:");
    has("FROM gcr.io/distroless/static-debian12:nonroot@sha256:");
    has("USER 65532:65532");
    has("cargo auditable build --release --locked");
    let auditable = include_str!("../../.ci/auditable").trim().rsplit(' ').next();
    has(&format!("--version {} cargo-auditable", auditable.expect("a version")));
    has("--remap-path-prefix");
    has("SOURCE_DATE_EPOCH");
    let version = env!("CARGO_PKG_VERSION");
    has(&format!("ARG VERSION={version}"));
    for (program, command) in [
        ("controller", "refreshable-controller"),
        ("agent", "refreshable-agent"),
        ("kubectl", "kubectl-refreshable"),
    ] {
        has(&format!(" AS {program}\n"));
        has(&format!("ENTRYPOINT [\"/{command}\"]"));
        has(&format!("title=\"{command}\""));
    }
    // The last stage is what is built unless told.
    assert!(
        dockerfile.rsplit("\nFROM ").next().expect("a stage").starts_with("base AS controller")
    );
    let (_, image) = dockerfile.split_once(" rust:").expect("the compiler's image");
    let (rust, debian) = image.split_once("-slim-").expect("a version of Rust");
    assert!(debian.starts_with("bookworm@sha256:"), "the base's own Debian");
    let least: Vec<u32> =
        env!("CARGO_PKG_RUST_VERSION").split('.').filter_map(|n| n.parse().ok()).collect();
    let named: Vec<u32> = rust.split('.').filter_map(|n| n.parse().ok()).collect();
    assert!(named >= least, "{rust} is older than {}", env!("CARGO_PKG_RUST_VERSION"));
}

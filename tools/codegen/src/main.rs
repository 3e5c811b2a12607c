//! Writes `crates/zitadel-api/gen` from `crates/zitadel-api/proto`, without protoc.
//!
//! Run it from the root of the repository: `cargo run --manifest-path tools/codegen/Cargo.toml`.

use std::{error::Error, fs, path::Path};

const FILES: [&str; 12] = [
    "google/rpc/error_details.proto",
    "zitadel/auth.proto",
    "zitadel/change.proto",
    "zitadel/management.proto",
    "zitadel/message.proto",
    "zitadel/object.proto",
    "zitadel/object_v2.proto",
    "zitadel/policy.proto",
    "zitadel/session_v2.proto",
    "zitadel/settings_v2.proto",
    "zitadel/user.proto",
    "zitadel/user_v2.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let api = Path::new("crates/zitadel-api");
    let out = api.join("gen");
    fs::create_dir_all(&out)?;

    // The bytes of the compiler and not its structs: those drop `debug_redact`.
    let mut compiler = protox::Compiler::new([api.join("proto")])?;
    compiler.include_imports(true).include_source_info(true).open_files(FILES)?;
    let with_comments = std::env::temp_dir().join("portcullis-descriptors.bin");
    fs::write(&with_comments, compiler.encode_file_descriptor_set())?;

    buffa_build::Config::new()
        .descriptor_set(&with_comments)
        .files(&FILES)
        .out_dir(&out)
        .include_file("wire.rs")
        .generate_views(false)
        .generate_json(true)
        .preserve_unknown_fields(false)
        .compile()?;
    fs::remove_file(&with_comments)?;

    // Reflection needs no comments.
    let mut compiler = protox::Compiler::new([api.join("proto")])?;
    compiler.include_imports(true).include_source_info(false).open_files(FILES)?;
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    Ok(())
}

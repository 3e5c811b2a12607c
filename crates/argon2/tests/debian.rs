//! The program of the reference implementation, as Debian packages it, against every kernel.
#![expect(clippy::panic, clippy::unwrap_used, reason = "this is a test")]

use std::{
    io::Write,
    process::{Command, Stdio},
};

use portcullis_argon2::{Arena, Argon2, Kernel, Params, Variant, Version};

/// The tag in hexadecimal digits.
fn ask(arguments: &[String], password: &[u8]) -> String {
    let child = Command::new("argon2")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child.unwrap_or_else(|error| {
        panic!(
            "the program `argon2` does not start ({error}); `./test --install` installs the Debian \
             package `argon2`"
        )
    });
    child.stdin.take().unwrap().write_all(password).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "argon2 {arguments:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn tags_are_those_of_the_reference_implementation() {
    let mut arena = Arena::new();
    let (mut memory, mut length) = (8, 4);
    let variants = [
        (Variant::Argon2d, "-d"),
        (Variant::Argon2i, "-i"),
        (Variant::Argon2id, "-id"),
    ];
    for (variant, variant_flag) in variants {
        for (version, version_flag) in [(Version::V0x10, "10"), (Version::V0x13, "13")] {
            for lanes in 1..=4 {
                for passes in 1..=3 {
                    // Through all remainders, over several rounds of addresses.
                    memory = (memory * 5 + 7) % 2311;
                    length = (length * 3 + 5) % 97;
                    let (memory, length) = (memory.max(8 * lanes), length.max(4));
                    let password = "Päss-1234 ".repeat(passes as usize);
                    let salt = format!("salt of {memory}");
                    let numbers = [
                        ("-t", passes),
                        ("-k", memory),
                        ("-p", lanes),
                        ("-l", u32::try_from(length).unwrap()),
                    ];
                    let mut arguments =
                        vec![salt.clone(), variant_flag.to_owned(), "-r".to_owned()];
                    arguments.extend(["-v".to_owned(), version_flag.to_owned()]);
                    for (flag, number) in numbers {
                        arguments.extend([flag.to_owned(), number.to_string()]);
                    }
                    let expected = ask(&arguments, password.as_bytes());
                    let params = Params::new(memory, passes, lanes).unwrap();
                    for kernel in Kernel::available() {
                        let argon2 = Argon2::new(variant, version, params).with_kernel(kernel);
                        let mut tag = vec![0; length];
                        let (password, salt) = (password.as_bytes(), salt.as_bytes());
                        argon2
                            .hash_into(&mut arena, password, salt, &mut tag)
                            .unwrap();
                        let tag = tag.iter().map(|byte| format!("{byte:02x}"));
                        assert_eq!(tag.collect::<String>(), expected, "{kernel}: {arguments:?}");
                    }
                }
            }
        }
    }
}

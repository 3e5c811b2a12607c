//! What the parser of stored hash strings accepts writes itself back and stays within bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::HashString;

fuzz_target!(|text: &str| {
    if let Ok(hash) = HashString::parse(text) {
        assert_eq!(hash.as_stored(), text);
        assert!(hash.memory_kib() <= 512 * 1024 && hash.memory_kib() >= 8 * hash.lanes());
        assert!((1..=10).contains(&hash.passes()) && (1..=16).contains(&hash.lanes()));
    }
});

//! A text is kept to the byte.

use super::world::{World, session, set};

/// Writes each over the one before it, and reads it back.
async fn each_is_kept(world: &World, texts: &[String]) {
    let key = session("17");
    for (revision, text) in (1..).zip(texts) {
        let expected = (revision > 1).then_some(revision - 1);
        world.write(&set(&key, expected, text)).await;
        let document = world.found(&key).await;
        assert!(*document.text == *text, "{} bytes are kept", text.len());
        assert_eq!(document.revision, revision);
    }
}

pub(super) async fn texts_of_any_length_are_kept_to_the_byte(world: &World) {
    let texts = [0, 1, 2, 255, 256, 4_095, 4_096, 8_192, 65_535, 65_536, 3];
    each_is_kept(world, &texts.map(|length| "x".repeat(length))).await;
}

pub(super) async fn texts_of_any_characters_are_kept_to_the_byte(world: &World) {
    let all: String = (0..=0x0010_ffff)
        .step_by(41)
        .filter_map(char::from_u32)
        .collect();
    let low: String = ('\0'..='\u{2ff}').collect();
    let texts = [
        "{\"token\":\"\\u0000\\\"\\\\\"}",
        "a\u{308}ä",
        "\u{202e}\u{feff}👩‍🚀\u{fffd}\u{10ffff}",
        "\r\n$5\r\nhello\r\n*1\r\n",
        " - + 'x' $1 %s \\x00 '; DROP TABLE documents; -- ]] \t ",
        &low,
        &"🔑".repeat(16_384),
        &all,
    ];
    each_is_kept(world, &texts.map(str::to_owned)).await;
}

pub(super) async fn a_document_without_characters_is_a_document(world: &World) {
    let key = session("17");
    world.write(&set(&key, None, "")).await;
    assert_eq!(world.found(&key).await.text.as_str(), "");
    world.refused(&set(&key, None, "")).await;
    world.write(&set(&key, Some(1), "")).await;
}

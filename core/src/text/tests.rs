use proptest::prelude::*;

use super::*;

fn view(text: &str) -> String {
    folded(text)
}

fn found(original: &str, needle: &str) -> String {
    let mut text = Text::new();
    text.normalise(original);
    let at = text.view(View::Folded).find(needle).unwrap();
    let range = text.original_range(at..at + needle.len());
    original[range].to_owned()
}

#[test]
fn folds_what_people_write() {
    assert_eq!(view("Hello There"), "hello there");
    assert_eq!(view("don’t  tell\n\tmom"), "don't tell mom");
    assert_eq!(view("ＨＥＬＬＯ ｗｏｒｌｄ"), "hello world");
    assert_eq!(view("ⓚⓘⓛⓛ 𝓎𝑜𝓊"), "kill you");
    assert_eq!(view("k\u{200B}i\u{00AD}l\u{2060}l"), "kill");
    assert_eq!(view("café Cafe\u{301}"), "cafe cafe");
    assert_eq!(view("h\u{336}e\u{336}y"), "hey");
    assert_eq!(view("STRASSE Straße"), "strasse strasse");
    assert_eq!(view("ΣΊΣΥΦΟΣ σίσυφος"), "σισυφοσ σισυφοσ");
    assert_eq!(view("İstanbul"), "istanbul");
    assert_eq!(view("👍🏽 ok\u{FE0F}"), "👍 ok");
    assert_eq!(view("a\u{A0}b\u{3000}c"), "a b c");
    assert_eq!(view("\u{0}a\u{7}b"), "ab");
    assert_eq!(view(""), "");
}

#[test]
fn scripts_keep_what_carries_meaning() {
    assert_eq!(view("が"), view("か\u{3099}"));
    assert_ne!(view("が"), view("か"));
    assert_eq!(view("각"), view("\u{1100}\u{1161}\u{11A8}"));
    assert_eq!(view("\u{0BCA}"), view("\u{0BC6}\u{0BBE}"));
    assert_ne!(view("कि"), view("क"));
}

#[test]
fn spans_show_the_original() {
    assert_eq!(found("say CAFÉ now", "cafe"), "CAFÉ");
    assert_eq!(found("say cafe\u{301}! now", "cafe"), "cafe\u{301}");
    assert_eq!(found("a ﬁne day", "fine"), "ﬁne");
    assert_eq!(found("a ﬁne day", "ine"), "ﬁne");
    assert_eq!(found("k\u{200B}ill  \u{1F600} you", "kill"), "k\u{200B}ill");
    assert_eq!(found("don’t", "don't"), "don’t");
    assert_eq!(found("ПРИВЕТ мир", "привет"), "ПРИВЕТ");
}

#[test]
fn borders() {
    let begins = |text: &str, at| words::may_begin(text, at);
    let ends = |text: &str, at| words::may_end(text, at);
    assert!(begins("ass", 0) && ends("ass", 3));
    assert!(!begins("pass", 1) && ends("pass", 4));
    assert!(!ends("assess", 3));
    assert!(begins("_ass_", 1) && ends("_ass_", 4));
    assert!(!ends("can't", 3));
    assert!(ends("mom's", 3) && begins("l'amour", 2));
    assert!(!begins("éa", 2) && !ends("aé", 1));
    assert!(begins("私はバカです", 6));
    assert!(ends("hi👍", 2) && begins("👍hi", 4));
}

/// Text that is likelier than `any::<String>()` to hold what folding treats specially.
fn hostile_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[ -~]{0,6}",
        2 => any::<char>().prop_map(String::from),
        1 => prop::sample::select(vec![
            "\u{301}", "\u{336}\u{337}", "\u{200B}", "\u{200D}", "\u{FE0F}", "  ", "\n", "\u{3099}", "か",
            "\u{1100}", "\u{1161}", "\u{11A8}", "\u{FDFA}", "ﬁ", "ß", "İ", "É", "Д", "👨‍👩‍👧", "\u{E0041}",
            "\u{0BC6}", "\u{0BBE}", "\u{0}", "’", "ǅ", "ﷺ",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn spans_lie_on_characters_and_cover_the_text(original in hostile_text()) {
        let mut text = Text::new();
        text.normalise(&original);
        let view = text.view(View::Folded).to_owned();
        let mut last = 0..0;
        for (at, c) in view.char_indices() {
            let range = text.original_range(at..at + c.len_utf8());
            prop_assert!(original.is_char_boundary(range.start), "{range:?}");
            prop_assert!(original.is_char_boundary(range.end), "{range:?}");
            prop_assert!(!range.is_empty());
            // Either the next place, or the same character of the original (`ﬁ`).
            prop_assert!(range.start >= last.end || range == last, "{last:?} then {range:?}");
            // What is highlighted folds to what was found. (One space stands for several.)
            let again = folded(&original[range.clone()]);
            prop_assert!(again.contains(c), "{c:?} from {again:?}");
            last = range;
        }
        let whole = text.original_range(0..view.len());
        prop_assert_eq!(folded(&original[whole]), view);
    }

    #[test]
    fn any_range_maps_into_the_text(original in hostile_text(), a in 0usize..200, b in 0usize..200) {
        let mut text = Text::new();
        text.normalise(&original);
        let len = text.view(View::Folded).len();
        let (a, b) = (a.min(len), b.min(len));
        let range = text.original_range(a.min(b)..a.max(b));
        prop_assert!(original.get(range.clone()).is_some());
        let span = SpanCounter::new(&original).span(range.clone());
        let chars: String = original.chars().skip(span.chars.start).take(span.chars.len()).collect();
        prop_assert_eq!(&chars, &original[range]);
    }

    #[test]
    fn the_fast_path_folds_like_the_other(original in "[ -~]{0,40}") {
        let mut fast = Text::new();
        fast.normalise(&original);
        // A mark at the end forces the general path and leaves nothing of itself.
        let mut slow = Text::new();
        slow.normalise(&format!("{original}\u{200B}"));
        prop_assert_eq!(fast.view(View::Folded), slow.view(View::Folded));
        prop_assert!(!slow.is_identity());
    }

    /// So that a list may hold words as they were copied out of a message.
    #[test]
    fn words_fold_alone_as_in_a_sentence(original in hostile_text()) {
        let view = folded(&original);
        let words = original.split(char::is_whitespace).map(folded).collect::<Vec<_>>().join(" ");
        prop_assert!(words.split_whitespace().eq(view.split_whitespace()), "{words:?} {view:?}");
    }

    #[test]
    fn folding_is_done_once(original in hostile_text()) {
        let once = folded(&original);
        prop_assert_eq!(folded(&once), once);
    }

    #[test]
    fn counting_goes_on_where_it_stopped(original in hostile_text()) {
        let mut counter = SpanCounter::new(&original);
        for (char_at, (at, c)) in original.char_indices().enumerate() {
            let span = counter.span(at..at + c.len_utf8());
            prop_assert_eq!(span.chars, char_at..char_at + 1);
        }
    }
}

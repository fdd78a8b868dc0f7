//! JSON, as far as a page and its phone speak it: text, whole numbers, yes and no, lists, objects.
//!
//! Written here because of what a library weighs: one that reads every number into every type costs
//! each first visit 19 kB more as gzip, and this boundary needs little of it.

/// So deep may what a page says be nested; it says lists of objects of objects.
const DEPTH_MAX: usize = 16;

/// What is told to a page.
pub(super) trait Tell {
    /// Writes the value behind what is written already.
    fn tell(&self, json: &mut String);
}

/// The value as JSON.
pub(super) fn told(value: &dyn Tell) -> String {
    let mut json = String::new();
    value.tell(&mut json);
    json
}

/// Writes one field of an object that was begun.
pub(super) fn tell_field(json: &mut String, name: &str, value: &dyn Tell) {
    if !json.ends_with('{') {
        json.push(',');
    }
    name.tell(json);
    json.push(':');
    value.tell(json);
}

impl Tell for &str {
    fn tell(&self, json: &mut String) {
        json.push('"');
        for letter in self.chars() {
            match letter {
                '"' | '\\' => json.extend(['\\', letter]),
                '\0'..'\u{20}' => {
                    json.push_str(&format!("\\u{:04x}", u32::from(letter)));
                }
                _ => json.push(letter),
            }
        }
        json.push('"');
    }
}

impl Tell for String {
    fn tell(&self, json: &mut String) {
        self.as_str().tell(json);
    }
}

impl Tell for bool {
    fn tell(&self, json: &mut String) {
        json.push_str(if *self { "true" } else { "false" });
    }
}

impl Tell for i64 {
    fn tell(&self, json: &mut String) {
        json.push_str(&self.to_string());
    }
}

impl Tell for u64 {
    fn tell(&self, json: &mut String) {
        json.push_str(&self.to_string());
    }
}

macro_rules! small_numbers {
    ($($number:ty)*) => {$(
        impl Tell for $number {
            fn tell(&self, json: &mut String) {
                u64::from(*self).tell(json);
            }
        }
    )*};
}
small_numbers!(u8 u16 u32);

impl Tell for () {
    fn tell(&self, json: &mut String) {
        json.push_str("null");
    }
}

impl<T: Tell> Tell for Option<T> {
    fn tell(&self, json: &mut String) {
        match self {
            Some(value) => value.tell(json),
            None => ().tell(json),
        }
    }
}

impl<T: Tell> Tell for Vec<T> {
    fn tell(&self, json: &mut String) {
        json.push('[');
        for (at, value) in self.iter().enumerate() {
            if at > 0 {
                json.push(',');
            }
            value.tell(json);
        }
        json.push(']');
    }
}

/// What a page says, read but not yet understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    YesNo(bool),
    Whole(i64),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Json {
    /// Reads the whole text. What is no JSON, a number that is not whole, or nested too deep is
    /// `None`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text };
        let value = reader.value(DEPTH_MAX)?;
        reader.skip_space();
        reader.rest.is_empty().then_some(value)
    }

    /// The field of this name; null where there is none.
    pub(super) fn field(&self, name: &str) -> &Self {
        let Self::Object(fields) = self else {
            return &Self::Null;
        };
        let found = fields.iter().find(|(known, _)| known == name);
        found.map_or(&Self::Null, |(_, value)| value)
    }
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// Goes past this text, if it comes next.
    fn skip(&mut self, text: &str) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn letter(&mut self) -> Option<char> {
        let mut letters = self.rest.chars();
        let letter = letters.next()?;
        self.rest = letters.as_str();
        Some(letter)
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        let depth = depth.checked_sub(1)?;
        Some(if self.skip("null") {
            Json::Null
        } else if self.skip("true") {
            Json::YesNo(true)
        } else if self.skip("false") {
            Json::YesNo(false)
        } else if self.skip("\"") {
            Json::Text(self.text()?)
        } else if self.skip("[") {
            let mut list = Vec::new();
            self.items("]", |reader| {
                list.push(reader.value(depth)?);
                Some(())
            })?;
            Json::List(list)
        } else if self.skip("{") {
            let mut fields = Vec::new();
            self.items("}", |reader| {
                let name = reader.skip("\"").then(|| reader.text())??;
                let value = reader.skip(":").then(|| reader.value(depth))??;
                fields.push((name, value));
                Some(())
            })?;
            Json::Object(fields)
        } else {
            Json::Whole(self.whole()?)
        })
    }

    /// Items with commas between them, up to the end.
    fn items(&mut self, end: &str, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if self.skip(end) {
            return Some(());
        }
        loop {
            item(self)?;
            if self.skip(end) {
                return Some(());
            }
            self.skip(",").then_some(())?;
        }
    }

    fn whole(&mut self) -> Option<i64> {
        let end = self
            .rest
            .find(|letter: char| letter != '-' && !letter.is_ascii_digit());
        let (digits, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        digits.parse().ok()
    }

    /// The rest of a text whose first quote was read.
    fn text(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            match self.letter()? {
                '"' => return Some(text),
                '\\' => text.push(self.escaped()?),
                '\0'..'\u{20}' => return None,
                letter => text.push(letter),
            }
        }
    }

    /// Half of a surrogate pair is no letter: `JSON.stringify` escapes none but those that stand
    /// alone, and of those no text can be made.
    fn escaped(&mut self) -> Option<char> {
        Some(match self.letter()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (digits, rest) = self.rest.split_at_checked(4)?;
                self.rest = rest;
                char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
            }
            letter @ ('"' | '\\' | '/') => letter,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_what_any_reader_of_json_reads() {
        let texts = [
            "",
            "tuần tra",
            "\"a\"\\b\u{0}\u{1f}\n\u{7f}\u{2028}",
            "𠀀 ខ្មែរ",
        ];
        for text in texts {
            let read: String = serde_json::from_str(&told(&text.to_owned())).unwrap();
            assert_eq!(read, text);
        }
        let numbers = told(&vec![Some(i64::MIN), None, Some(i64::MAX)]);
        assert_eq!(numbers, format!("[{},null,{}]", i64::MIN, i64::MAX));
        assert_eq!(told(&vec![0_u8, 255]), "[0,255]");
        let mut object = String::from("{");
        tell_field(&mut object, "a", &true);
        tell_field(&mut object, "b", &Vec::<u32>::new());
        assert_eq!(object, r#"{"a":true,"b":[]"#);
    }

    #[test]
    fn what_a_page_says_is_read_as_any_writer_of_json_writes_it() {
        let said = serde_json::json!([
            {"field": "summary", "item": 0, "value": {"text": {"text": "\"a\"\\b/\u{1}\r\n\t𠀀"}}},
            {"": [[], {}], "no": false, "far": i64::MIN, "none": null},
        ]);
        for text in [
            said.to_string(),
            serde_json::to_string_pretty(&said).unwrap(),
        ] {
            let Json::List(items) = Json::read(&text).unwrap() else {
                unreachable!("it is a list");
            };
            let [first, second] = items.as_slice() else {
                unreachable!("it has two items");
            };
            let text = first.field("value").field("text").field("text");
            assert_eq!(*text, Json::Text("\"a\"\\b/\u{1}\r\n\t𠀀".to_owned()));
            assert_eq!(*first.field("item"), Json::Whole(0));
            let lists = vec![Json::List(vec![]), Json::Object(vec![])];
            assert_eq!(*second.field(""), Json::List(lists));
            assert_eq!(*second.field("no"), Json::YesNo(false));
            assert_eq!(*second.field("far"), Json::Whole(i64::MIN));
            assert_eq!(*second.field("none"), Json::Null);
            assert_eq!(*second.field("absent"), Json::Null);
        }
        assert_eq!(
            Json::read(r#""\u00e1\/\b\f""#),
            Some(Json::Text("á/\u{8}\u{c}".to_owned()))
        );
    }

    #[test]
    fn what_is_no_json_is_not_read() {
        let deep = "[".repeat(DEPTH_MAX + 1) + &"]".repeat(DEPTH_MAX + 1);
        let mut wrong = vec![
            "",
            "nul",
            "1.5",
            "1e3",
            "-",
            "--1",
            "9223372036854775808",
            "[1,]",
            "[1 2]",
            "[,]",
            "{\"a\"}",
            "{a:1}",
            "{\"a\":1,}",
            "\"a",
            "\"\n\"",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\u12\"",
            "1 1",
            "[",
            "{",
        ];
        wrong.push(&deep);
        for text in wrong {
            assert_eq!(Json::read(text), None, "{text}");
        }
    }
}

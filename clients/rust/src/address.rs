//! Where the service is.

/// An address such as `http://127.0.0.1:8000/a/path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String, // without the brackets of IPv6
    pub(crate) port: u16,
    pub(crate) authority: String, // host and port as they were written
    pub(crate) path: String,      // without a slash at its end
}

const EXAMPLE: &str = "expected one like http://127.0.0.1:8000";

impl Address {
    /// Reads an address; the error says what is wrong with it.
    pub(crate) fn read(text: &str) -> Result<Address, String> {
        if text.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://")) {
            return Err(
                "https is not spoken here: put a proxy in between that ends TLS (such as nginx or stunnel), and give its http:// address"
                    .into(),
            );
        }
        let rest = text.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://")).map(|scheme| &text[scheme.len()..]);
        let rest = rest.ok_or_else(|| format!("found the address {text:?}; {EXAMPLE}"))?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("the address holds a user name; a key is an option of its own".into());
        }
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) || rest.contains(['?', '#', '\\']) {
            return Err(format!("found the address {text:?}, with a space, a query or a letter that is not ASCII; {EXAMPLE}"));
        }
        let (host, port) = host_and_port(authority)
            .ok_or_else(|| format!("found the address {text:?}, without a host or with a wrong port; {EXAMPLE}"))?;
        Ok(Address { host, port, authority: authority.into(), path: path.trim_end_matches('/').into() })
    }

    /// The URL of a path, for people.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{}{path}", self.authority, self.path)
    }
}

fn host_and_port(authority: &str) -> Option<(String, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(six) => six.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => digits.parse().ok()?,
        None if port.is_empty() => 80,
        _ => return None,
    };
    (!host.is_empty()).then(|| (host.to_string(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let read = |text| Address::read(text).map(|address| (address.host, address.port, address.authority, address.path));
        assert_eq!(read("http://a"), Ok(("a".into(), 80, "a".into(), "".into())));
        assert_eq!(read("HTTP://a.b:81/c/d/"), Ok(("a.b".into(), 81, "a.b:81".into(), "/c/d".into())));
        assert_eq!(read("http://[::1]:82/"), Ok(("::1".into(), 82, "[::1]:82".into(), "".into())));
        for wrong in [
            "",
            "a:80",
            "ftp://a",
            "http://",
            "http://:80",
            "http://a:b",
            "http://a:99999",
            "http://a:+1",
            "http://a b",
            "http://a?b",
            "http://[::1",
            "http://ü",
            "http://a\r\nb",
        ] {
            assert!(Address::read(wrong).is_err(), "{wrong:?} was read");
        }
        assert!(!Address::read("http://user:secret@a").unwrap_err().contains("secret"));
        assert!(Address::read("https://a").unwrap_err().contains("proxy"));
    }
}

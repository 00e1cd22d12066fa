//! Mail by a real mail server: what arrives, and what each of its refusals means.

use std::path::Path;
use std::time::Duration;

use printery_testkit::{Process, eventually, free_port};
use serde_json::Value;

use crate::scene::{completed, endless, failed, receiver, started, tell, tell_again, word};

const SOON: Duration = Duration::from_secs(30);

struct Server {
    process: Process,
    port: u16,
}

impl Server {
    async fn start(login: &str) -> Self {
        let port = free_port();
        // Debian's own Python is the one that its packages belong to.
        let debian = Path::new("/usr/bin/python3");
        let python = if debian.exists() { debian } else { Path::new("python3") };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/receivers/smtp_server.py");
        let arguments = [script.to_str().unwrap().to_owned(), port.to_string(), login.to_owned()];
        let process = Process::of(python).args(arguments).start();
        eventually("the mail server listens", SOON, async || {
            let up = process.stdout().iter().any(|line| line == "listening");
            if up { Ok(()) } else { Err(process.stderr().join("\n")) }
        })
        .await;
        Self { process, port }
    }

    fn mail_to(&self, to: &str, user_info: &str) -> String {
        let port = self.port;
        format!(
            "{{ email: {{ to: [{to}], from: printery@shop.example, \
             smtp: 'smtp://{user_info}127.0.0.1:{port}?tls=none' }} }}"
        )
    }

    /// What has arrived, as soon as it is `count` mails.
    async fn mails(&self, count: usize) -> Vec<Value> {
        eventually("the mails arrive", SOON, async || {
            let lines = self.process.stdout();
            let mails: Vec<Value> =
                lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
            if mails.len() >= count { Ok(mails) } else { Err(format!("{mails:?}")) }
        })
        .await
    }
}

fn header(mail: &Value, name: &str) -> String {
    let text = mail["text"].as_str().unwrap();
    let head = text.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
    let start = format!("{name}: ");
    let line = head.lines().find_map(|line| line.strip_prefix(&start).map(str::to_owned));
    line.unwrap_or_else(|| panic!("no {name} in {head}"))
}

#[tokio::test]
async fn a_deployment_is_one_thread_of_mails_in_both_forms() {
    let server = Server::start("").await;
    let it = receiver(&server.mail_to("a@shop.example, b@shop.example", ""));
    for event in [started(), failed(), completed("failure")] {
        assert_eq!(word(&tell(&it, &event, None).await.verdict), "told");
    }
    let mails = server.mails(3).await;
    assert_eq!(mails[0]["from"], "printery@shop.example");
    assert_eq!(mails[0]["to"], serde_json::json!(["a@shop.example", "b@shop.example"]));
    for mail in &mails {
        assert_eq!(header(mail, "Subject"), "Deployment d-1");
        assert_eq!(header(mail, "References"), header(&mails[0], "References"));
        assert_eq!(header(mail, "In-Reply-To"), header(mail, "References"));
        assert_eq!(
            header(mail, "Message-ID"),
            "<0199c0de-0000-7000-8000-000000000001@shop.example>"
        );
        assert_eq!(header(mail, "Auto-Submitted"), "auto-generated");
        assert_eq!(header(mail, "Date"), "Sun, 22 Nov 2026 06:00:00 +0000");
        let text = mail["text"].as_str().unwrap();
        assert!(text.contains("text/plain") && text.contains("text/html"), "{text}");
        let head = text.split("\r\n\r\n").next().unwrap();
        assert!(!head.contains("Bcc"), "{head}");
    }
    let html = mails[1]["text"].as_str().unwrap().rsplit("text/html").next().unwrap().to_owned();
    assert!(html.contains("&lt;b&gt;no&lt;/b&gt;") && !html.contains("<b>"), "{html}");
    assert!(mails[1]["text"].as_str().unwrap().contains("Importance: high"));
}

#[tokio::test]
async fn each_refusal_of_a_mail_server_has_its_meaning() {
    let server = Server::start("").await;
    let cases = [
        ("gone@x.example", 0, "never", "550"),
        ("full@x.example", 0, "later", "452"),
        ("full@x.example", 5, "later", "452"),
        ("spam@x.example", 0, "never", "554"),
        ("later@x.example", 0, "later", "451"),
        ("hangup@x.example", 0, "later", "smtp://127.0.0.1"),
        ("'gone@x.example,ann@x.example'", 0, "told", ""),
        ("'full@x.example,ann@x.example'", 0, "later", "452"),
        ("'full@x.example,ann@x.example'", 2, "told", ""),
    ];
    for (to, tries, expected, quoted) in cases {
        let it = receiver(&server.mail_to(to, ""));
        let said = word(&tell_again(&it, &failed(), None, tries).await.verdict);
        assert!(said.starts_with(expected) && said.contains(quoted), "{to} {tries}: {said}");
    }
    let mails = server.mails(2).await;
    assert_eq!(mails.len(), 2);
    assert!(mails.iter().all(|mail| mail["to"] == serde_json::json!(["ann@x.example"])));
}

#[tokio::test]
async fn a_login_is_used_and_a_wrong_one_is_not_repeated() {
    let server = Server::start("login").await;
    let it = receiver(&server.mail_to("a@x.example", "printery:p%2Fw%20+@"));
    assert_eq!(word(&tell(&it, &failed(), None).await.verdict), "told");
    assert_eq!(server.mails(1).await[0]["login"], true);
    let wrong = receiver(&server.mail_to("a@x.example", "printery:s3cret@"));
    let said = word(&tell(&wrong, &failed(), None).await.verdict);
    assert!(said.starts_with("never: ") && !said.contains("s3cret"), "{said}");
}

#[tokio::test]
async fn nothing_is_said_in_clear_text_unless_the_file_allows_it() {
    let server = Server::start("").await;
    let yaml = server.mail_to("a@x.example", "").replace("?tls=none", "");
    let said = word(&tell(&receiver(&yaml), &failed(), None).await.verdict);
    assert!(said.contains("offers no STARTTLS"), "{said}");
    let tls = yaml.replace("smtp://", "smtps://");
    let said = word(&tell(&receiver(&tls), &failed(), None).await.verdict);
    assert!(!said.starts_with("told"), "{said}");
}

#[tokio::test]
async fn a_mail_server_that_is_not_there_is_tried_again() {
    let yaml = format!(
        "{{ email: {{ to: [a@x.example], from: b@x.example, smtp: 'smtp://127.0.0.1:{}?tls=none' }} }}",
        free_port()
    );
    let said = word(&tell(&receiver(&yaml), &failed(), None).await.verdict);
    assert!(said.starts_with("later: "), "{said}");
}

#[tokio::test]
async fn an_endless_text_is_a_mail_of_bounded_size() {
    let server = Server::start("").await;
    let it = receiver(&server.mail_to("a@x.example", ""));
    assert_eq!(word(&tell(&it, &endless(), None).await.verdict), "told");
    let size = server.mails(1).await[0]["text"].as_str().unwrap().len();
    assert!(size < 128 * 1024, "{size}");
}

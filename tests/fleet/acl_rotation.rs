//! A password is changed while the fleet works.
//!
//! Proves the steps of the runbook: two passwords for a while, one process after the other, then the old one is taken away.

use printery_testkit::{Ended, HttpService, eventually};

use crate::acl::Guarded;
use crate::site::{SOON, fleet_file};

/// The new password, and its digest.
const NEW: &str = "tomorrow";

#[tokio::test]
async fn a_password_is_rotated_without_losing_an_event() {
    let service = HttpService::start().await;
    let guarded = Guarded::new(&fleet_file(&service.url())).await;
    let (site, user) = (&guarded.site, &guarded.users["worker"]);
    let old = guarded.worker("validator");
    let mut ids = vec![site.start_deployment(1).await];
    site.wait_for_results("validation:completed", 1, SOON).await;

    let added = format!(">{NEW}");
    site.conn.cmd(&["ACL", "SETUSER", &user.name, &added]).await;
    let url = format!("{}?user={}&pass={NEW}", site.redis.url(), user.name);
    let new = site.worker("validator").env("REDIS_URL", url).start();
    ids.push(site.start_deployment(2).await);
    site.wait_for_results("validation:completed", 2, SOON).await;
    old.sigterm();
    assert_eq!(old.wait(SOON).await, Ended::Code(0), "{}", old.report());

    let late = guarded.worker("validator");
    eventually("the late one is connected", SOON, async || {
        site.conn.int(&["HLEN", "materi:printery:instances"]).await == 2
    })
    .await;
    // Taking a password away ends no connection; ending them does.
    let digest = user.rules.iter().find(|rule| rule.starts_with('#')).expect("a password");
    let removed = digest.replacen('#', "!", 1);
    site.conn.cmd(&["ACL", "SETUSER", &user.name, &removed]).await;
    site.conn.cmd(&["CLIENT", "KILL", "USER", &user.name]).await;
    eventually("who has the old one only says so", SOON, async || {
        let told = late.lines().iter().any(|line| line.contains("authentication failed"));
        if told { Ok(()) } else { Err(late.report()) }
    })
    .await;
    ids.push(site.start_deployment(3).await);
    site.wait_for_results("validation:completed", 3, SOON).await;
    site.assert_exactly_once("validation:completed", &ids).await;
    for process in [&new, &late] {
        let said = process.lines();
        let secret = |line: &String| line.contains(NEW) || line.contains("password of tests");
        assert!(!said.iter().any(secret), "{said:#?}");
        let complaints = said.iter().filter(|line| line.contains("authentication failed")).count();
        assert!(complaints < 100, "{complaints} lines");
    }
}

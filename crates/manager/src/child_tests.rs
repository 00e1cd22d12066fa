//! One child, with real processes: shells that sleep, exit and ignore signals.

use std::os::unix::net::UnixDatagram;

use super::*;

struct Tended {
    socket: PathBuf,
    orders: mpsc::UnboundedSender<Order>,
    reports: mpsc::Receiver<(usize, Report)>,
    tending: tokio::task::JoinSet<()>,
    _directory: tempfile::TempDir,
}

impl Tended {
    fn sh(script: &str, watchdog: Duration, on_silence: OnSilence) -> Self {
        let launch = Launch {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: vec![("LEFT".to_owned(), Some("7".into()))],
            watchdog,
            on_silence,
        };
        let directory = tempfile::tempdir().unwrap();
        let child = Child::spawn(&launch, directory.path(), "child").unwrap();
        let (orders, inbox) = mpsc::unbounded_channel();
        let (sender, reports) = mpsc::channel(8);
        let mut tending = tokio::task::JoinSet::new();
        let socket = child.socket.path().to_owned();
        tending.spawn(child.tend(inbox, Reporter::new(3, sender)));
        Self { socket, orders, reports, tending, _directory: directory }
    }

    fn say(&self, text: &str) {
        UnixDatagram::unbound().unwrap().send_to(text.as_bytes(), &self.socket).unwrap();
    }

    async fn next(&mut self) -> Report {
        let next = tokio::time::timeout(Duration::from_secs(10), self.reports.recv());
        let (place, report) = next.await.expect("no report in 10 s").expect("task ended");
        assert_eq!(place, 3);
        report
    }

    async fn end(mut self) {
        while let Some(joined) = self.tending.join_next().await {
            joined.unwrap();
        }
    }
}

const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn an_exit_code_is_reported_and_the_environment_is_passed() {
    let mut child = Tended::sh("exit \"$LEFT\"", LONG, OnSilence::Kill);
    assert_eq!(child.next().await, Report::Exited(Exit::Code(7)));
    child.end().await;
}

#[tokio::test]
async fn orders_are_signals() {
    for (order, signal) in [(Order::Terminate, 15), (Order::Kill, 9)] {
        let mut child = Tended::sh("exec sleep 600", LONG, OnSilence::Kill);
        child.orders.send(order).unwrap();
        assert_eq!(child.next().await, Report::Exited(Exit::Signal(signal)));
        child.end().await;
    }
}

#[tokio::test]
async fn a_silent_child_is_killed_and_counts_as_hung() {
    // It ignores SIGABRT, so that only SIGKILL ends it.
    let script = "trap '' ABRT; exec sleep 600";
    let mut child = Tended::sh(script, Duration::from_millis(50), OnSilence::Kill);
    child.say("READY=1\nSTATUS=hello\n");
    assert_eq!(child.next().await, Report::Said(Notice::Ready));
    assert_eq!(child.next().await, Report::Said(Notice::Status("hello".to_owned())));
    assert_eq!(child.next().await, Report::Silent);
    assert_eq!(child.next().await, Report::Exited(Exit::Hung));
    child.end().await;
}

#[tokio::test]
async fn a_silent_child_that_nobody_replaces_lives_and_may_be_heard_again() {
    let mut child = Tended::sh("exec sleep 600", Duration::from_millis(50), OnSilence::Report);
    child.say("READY=1");
    assert_eq!(child.next().await, Report::Said(Notice::Ready));
    assert_eq!(child.next().await, Report::Silent);
    child.say("WATCHDOG=1");
    assert_eq!(child.next().await, Report::HeardAgain);
    child.orders.send(Order::Kill).unwrap();
    // The silence may be reported once more before the signal arrives.
    let exited = loop {
        match child.next().await {
            Report::Exited(exit) => break exit,
            Report::Said(_) | Report::Silent | Report::HeardAgain => {}
        }
    };
    assert_eq!(exited, Exit::Signal(9));
    child.end().await;
}

#[test]
fn a_missing_program_starts_nothing() {
    let launch = Launch {
        program: "/nowhere/printery-validator".into(),
        arguments: Vec::new(),
        environment: Vec::new(),
        watchdog: LONG,
        on_silence: OnSilence::Kill,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let directory = tempfile::tempdir().unwrap();
    let error = Child::spawn(&launch, directory.path(), "child").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

//! The programs under test, as processes.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a program may take to end.
const DEADLINE: Duration = Duration::from_secs(60);

/// A program under way, its output gathered. It does not outlive its test.
pub struct Running {
    child: Child,
    out: Gathered,
    err: Gathered,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Nothing for one that a signal ended.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    pub out: String,
    pub err: String,
}

/// A program with these arguments, and none of the settings this process may have in its environment.
pub fn program(path: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(path);
    command.args(arguments);
    let ours = |name: &str| ["DELTAWAVE_", "OTEL_", "APPLICATIONINSIGHTS_"].iter().any(|start| name.starts_with(start));
    for (name, _) in std::env::vars_os().filter(|(name, _)| ours(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command
}

/// Runs a program to its end.
pub async fn run(command: Command) -> Ended {
    Running::start(command).end().await
}

impl Running {
    pub fn start(mut command: Command) -> Running {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let out = Gathered::of(child.stdout.take().unwrap());
        let err = Gathered::of(child.stderr.take().unwrap());
        Running { child, out, err }
    }

    pub fn signal(&self, signal: libc::c_int) {
        let id = self.child.id().expect("the program has ended already");
        assert_eq!(unsafe { libc::kill(id as libc::pid_t, signal) }, 0);
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("the program has ended already")
    }

    /// Waits until it has said this on standard error.
    pub async fn says(&self, words: &str) {
        super::eventually(words, async || match self.err() {
            said if said.contains(words) => Ok(()),
            said => Err(said),
        })
        .await;
    }

    /// What it has said on standard output so far.
    pub fn out(&self) -> String {
        self.out.text.lock().unwrap().clone()
    }

    /// What it has said on standard error so far.
    pub fn err(&self) -> String {
        self.err.text.lock().unwrap().clone()
    }

    /// Waits for its end.
    pub async fn end(self) -> Ended {
        self.end_within(DEADLINE).await
    }

    /// The same of one that has more to do.
    pub async fn end_within(mut self, deadline: Duration) -> Ended {
        let Ok(status) = timeout(deadline, self.child.wait()).await else {
            panic!("not ended within {deadline:?}; it said:\n{}\n{}", self.out(), self.err());
        };
        let status = status.unwrap();
        let (code, signal) = (status.code(), status.signal());
        Ended { code, signal, out: self.out.all().await, err: self.err.all().await }
    }
}

struct Gathered {
    text: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Gathered {
    fn of(stream: impl AsyncRead + Send + Unpin + 'static) -> Gathered {
        let text = Arc::<Mutex<String>>::default();
        let gathered = text.clone();
        let reader = tokio::spawn(async move {
            let mut lines = BufReader::new(stream).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let mut gathered = gathered.lock().unwrap();
                gathered.push_str(&line);
                gathered.push('\n');
            }
        });
        Gathered { text, reader }
    }

    async fn all(self) -> String {
        timeout(DEADLINE, self.reader).await.expect("its output does not end").unwrap();
        self.text.lock().unwrap().clone()
    }
}

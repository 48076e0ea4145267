//! Several processes that share a training, on this machine.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use makemore_tch::distributed::free_port;
use makemore_tch::distributed::processes::host;

use crate::common::Folder;

/// A training of a network that Muon moves in part, with dropout.
const TRAIN: &str = "train --type transformer --n-embd 16 --n-layer 1 --data list.txt --batch-size 64 \
                     --dropout 0.1 --max-steps 40 --eval-every 20 -q";

/// A training that does not end by itself.
const ENDLESS: &str = "train --type gru --n-embd 8 --n-embd2 8 --data list.txt --batch-size 64 \
                       --max-steps 10000000 --eval-every 20 --patience 100000 --threads 1 --distributed";

fn port() -> u16 {
    free_port().unwrap()
}

/// A process of a launch, as torchrun would start it, with its output in pipes.
fn start(folder: &Folder, arguments: &str, rank: usize, size: usize, port: u16) -> Child {
    let place = ("127.0.0.1", port);
    start_process(folder.process(arguments), rank, size, place)
}

fn start_process(
    mut process: Command,
    rank: usize,
    size: usize,
    (address, port): (&str, u16),
) -> Child {
    process
        .env("RANK", rank.to_string())
        .env("WORLD_SIZE", size.to_string());
    process
        .env("MASTER_ADDR", address)
        .env("MASTER_PORT", port.to_string());
    process
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The status, the results and the words to the user of a process that has ended in time.
fn end(mut process: Child) -> (Option<i32>, String, String) {
    let start = Instant::now();
    while process.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(60) {
            process.kill().unwrap();
            panic!("a process did not end");
        }
        sleep(Duration::from_millis(20));
    }
    let output = process.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Waits until a training has saved a network.
fn await_file(folder: &Folder, name: &str) {
    let start = Instant::now();
    while !folder.path(name).exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "no {name}");
        sleep(Duration::from_millis(20));
    }
}

/// A process that begins with a limit, as `ulimit` sets it.
fn limited(folder: &Folder, limit: &str, arguments: &str) -> Command {
    let process = folder.process(arguments);
    let script = format!("ulimit {limit}; exec \"$0\" \"$@\"");
    let mut limited = Command::new("bash");
    limited.args(["-c", &script]).arg(process.get_program());
    limited.args(process.get_args());
    limited.current_dir(process.get_current_dir().unwrap());
    limited
}

/// The processes that a process has started.
#[cfg(target_os = "linux")]
fn children(of: &Child) -> Vec<libc::pid_t> {
    let file = format!("/proc/{0}/task/{0}/children", of.id());
    let children = std::fs::read_to_string(file).unwrap();
    let children = children.split_whitespace();
    children.map(|child| child.parse().unwrap()).collect()
}

fn signal(process: &Child, signal: i32) {
    // SAFETY: sends a signal to our own child.
    unsafe { libc::kill(process.id() as libc::pid_t, signal) };
}

#[test]
fn processes_save_the_network_of_as_many_threads_byte_for_byte() {
    let folder = Folder::with_names();
    folder.stdout(&format!("{TRAIN} --threads 4 --out alone.st"));
    for (size, threads) in [(2, 2), (4, 1)] {
        let out = format!("{size}.st");
        let launch = format!("launch {size} -- {TRAIN} --threads {threads} --out {out}");
        let launched = folder.makemore(&launch).output().unwrap();
        let [printed, said] =
            [launched.stdout, launched.stderr].map(|text| String::from_utf8(text).unwrap());
        assert_eq!(printed.matches("Checkpoint: ").count(), 1, "{printed}");
        assert_eq!(said, "");
        assert!(folder.read(&out) == folder.read("alone.st"), "{size}");
    }
    // Its matrices are so large that libtorch would divide them among its threads.
    let mlp = "train --type mlp --data list.txt --batch-size 512 --max-steps 8 -q";
    folder.stdout(&format!("{mlp} --threads 2 --out alone.st --force"));
    folder.stdout(&format!("launch 2 -- {mlp} --threads 1 --out 2.st --force"));
    assert!(folder.read("2.st") == folder.read("alone.st"));
}

/// What was saved was told twice where the state could not be.
#[test]
fn a_process_that_is_killed_ends_the_others_and_what_was_trained_is_saved() {
    let folder = Folder::with_names();
    let port = port();
    let train = format!("{ENDLESS} --out a.st");
    // Enough for the network, and not for the state of the training.
    let first = limited(&folder, "-f 8", &train);
    let first = start_process(first, 0, 3, ("127.0.0.1", port));
    let [second, third] = [1, 2].map(|rank| start(&folder, &train, rank, 3, port));
    await_file(&folder, "a.st");
    signal(&third, libc::SIGKILL);
    let (status, printed, said) = end(first);
    assert_eq!(status, Some(1));
    assert!(printed.contains("Checkpoint: a.st"), "{printed}");
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("error: the network of step "), "{said}");
    assert!(
        last.contains(" was saved to a.st, but the state of the training was not saved: cannot write a.st.last: ")
            && last.contains("other processes: rank 2 on ")
            && last.ends_with(" has ended"),
        "{said}"
    );
    assert_eq!(last.matches("saved to").count(), 1, "{said}");
    assert_eq!(said.matches("error: ").count(), 1, "{said}");
    // Process 0 has told it.
    let (status, _, said) = end(second);
    assert_eq!((status, said.as_str()), (Some(1), ""));
    end(third);
    folder.stdout("sample --model a.st -n 1");
}

#[test]
fn the_end_of_process_0_is_told_once() {
    let folder = Folder::with_names();
    let port = port();
    let train = format!("{ENDLESS} --out a.st");
    let [first, second, third] = [0, 1, 2].map(|rank| start(&folder, &train, rank, 3, port));
    await_file(&folder, "a.st");
    signal(&first, libc::SIGKILL);
    let (status, _, said) = end(second);
    assert_eq!(status, Some(1));
    assert!(
        said.starts_with("error: rank 1 on ")
            && said.ends_with(&format!(": rank 0 on {} has ended\n", host()))
            && said.lines().count() == 1,
        "{said}"
    );
    let (status, _, said) = end(third);
    assert_eq!((status, said.as_str()), (Some(1), ""));
    end(first);
}

#[cfg(target_os = "linux")]
#[test]
fn launch_tells_that_process_0_was_killed() {
    let folder = Folder::with_names();
    let launch = launch(&folder, 3, "a.st");
    // SAFETY: sends a signal to a process that our own child has started and not waited for.
    unsafe { libc::kill(children(&launch)[0], libc::SIGKILL) };
    let (status, _, said) = end(launch);
    assert_eq!(
        (status, said.as_str()),
        (Some(1), "error: process 0 was ended by signal 9\n")
    );
}

/// 24 files were too few for five connections.
#[test]
fn many_processes_have_as_many_files_as_the_system_allows() {
    let folder = Folder::with_names();
    let train = TRAIN.replace("--max-steps 40", "--max-steps 2");
    let launch = format!("launch 5 -- {train} --threads 1 --out a.st --timeout 20");
    let output = limited(&folder, "-S -n 24", &launch).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
}

/// Without an evaluation until then, what was trained was lost.
#[test]
fn a_process_that_is_killed_costs_no_step() {
    let folder = Folder::with_names();
    let port = port();
    let train = ENDLESS.replace("--eval-every 20", "--eval-every 9000000 --metrics m.csv");
    let [first, second] =
        [0, 1].map(|rank| start(&folder, &format!("{train} --out a.st"), rank, 2, port));
    sleep(Duration::from_secs(3));
    signal(&second, libc::SIGKILL);
    let (status, printed, said) = end(first);
    end(second);
    assert_eq!(status, Some(1));
    assert!(printed.contains("Checkpoint: a.st"), "{printed} {said}");
    assert!(
        said.contains("go on with: makemore-tch train --resume a.st"),
        "{said}"
    );
}

/// The store of a process that has stopped never answers.
#[test]
fn a_process_that_is_stopped_ends_the_others_in_time() {
    let folder = Folder::with_names();
    let port = port();
    let train = format!("{ENDLESS} --timeout 2 --out a.st");
    let [first, second] = [0, 1].map(|rank| start(&folder, &train, rank, 2, port));
    await_file(&folder, "a.st");
    signal(&first, libc::SIGSTOP);
    let (status, _, said) = end(second);
    signal(&first, libc::SIGKILL);
    end(first);
    assert_eq!(status, Some(1));
    assert!(
        said.starts_with("error: rank 1 on ") && said.lines().count() == 1,
        "{said}"
    );
}

/// A share of no words was an error.
#[test]
fn more_processes_than_words_of_a_batch_train() {
    let folder = Folder::with_names();
    let train =
        "train --type gru --n-embd 8 --n-embd2 8 --data list.txt --max-steps 10 --batch-size 1";
    folder.stdout(&format!("launch 3 -- {train} --out a.st -q"));
    // A fault of the command line is told once.
    let error = folder.error("launch 3 -- train --type foo", 2);
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn an_interrupt_of_any_process_ends_all_at_the_same_step() {
    let folder = Folder::with_names();
    let port = port();
    let [first, second] =
        [0, 1].map(|rank| start(&folder, &format!("{ENDLESS} --out a.st"), rank, 2, port));
    await_file(&folder, "a.st");
    signal(&second, libc::SIGINT);
    // Kubernetes took what ended with status 0 for done.
    let (status, _, said) = end(first);
    assert_eq!(status, Some(130), "{said}");
    assert!(
        said.contains("interrupted after ") && said.contains("--resume a.st"),
        "{said}"
    );
    assert!(said.contains(" --distributed"), "{said}");
    let (status, printed, said) = end(second);
    assert_eq!(
        (status, printed.as_str(), said.as_str()),
        (Some(130), "", "")
    );
    // A run that two processes began goes on with one that has as many threads.
    let begun = folder
        .json("train --resume a.st --max-steps 10 --json --force")
        .clone();
    assert_eq!(begun["type"], "gru");
}

/// The others ended with status 0, which Kubernetes takes for done.
#[test]
fn an_interrupt_of_any_process_in_the_last_evaluation_ends_all_with_its_status() {
    let folder = Folder::new();
    let train =
        "train --type gru --split 90,0,10 --max-steps 1 --eval-every 1 --threads 1 --distributed";
    for interrupted in [0, 1] {
        let (port, out) = (port(), format!("{interrupted}.st"));
        let train = format!("{train} --out {out}");
        let processes = [0, 1].map(|rank| start(&folder, &train, rank, 2, port));
        await_file(&folder, &out);
        sleep(Duration::from_millis(50));
        signal(&processes[interrupted], libc::SIGINT);
        let [first, second] = processes.map(end);
        assert_eq!((first.0, second.0), (Some(130), Some(130)), "{}", first.2);
        assert!(first.1.contains(&format!("Checkpoint: {out}")), "{first:?}");
        assert!(!first.1.contains("Test loss"), "{first:?}");
        assert_eq!(second.1, "");
        folder.stdout(&format!("sample --model {out} -n 1"));
    }
}

/// Noise, another protocol, and who connects and says nothing.
#[test]
fn a_stranger_at_the_port_neither_ends_nor_hangs_a_training() {
    let folder = Folder::with_names();
    let port = port();
    let train = TRAIN.replace(
        "--max-steps 40",
        "--max-steps 400 --distributed --threads 1 --out a.st",
    );
    let [first, second] = [0, 1].map(|rank| start(&folder, &train, rank, 2, port));
    await_file(&folder, "a.st");
    let mut strangers = Vec::new();
    for noise in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xFF; 100_000],
        &[0; 64],
        b"",
    ] {
        let mut stranger = TcpStream::connect(("127.0.0.1", port)).unwrap();
        // The other side may close before all is sent.
        let _ = stranger.write_all(noise);
        strangers.push(stranger);
    }
    let (status, printed, said) = end(first);
    assert_eq!((status, said.as_str()), (Some(0), ""), "{printed}");
    assert_eq!(end(second).0, Some(0));
}

#[test]
fn what_is_different_or_missing_is_told_once() {
    let folder = Folder::with_names();
    folder.write("other.txt", "anna\nbob\n");
    for (other, expected) in [
        (
            "--data other.txt --lr 0.1",
            "error: the list is 801 words with 4828 characters (CRC-32 ",
        ),
        ("--data missing.txt", "error: rank 1 on "),
        // Under the names that the user types, and of several the one that the others follow from.
        (
            "--lr 0.1",
            "error: the option lr is 0.005 for rank 0 and 0.1 for rank 1; ",
        ),
        (
            "--seed 7",
            "error: the option seed is 420 for rank 0 and 7 for rank 1; ",
        ),
        (
            "--split-seed 7",
            "error: the option split-seed is 420 for rank 0 and 7 for rank 1; ",
        ),
        (
            "--split 70,20,10 --batch-size 32",
            "error: the option split is 80,10,10 for rank 0 and 70,20,10 for rank 1; ",
        ),
        (
            "--minutes 3",
            "error: the option minutes is not given for rank 0 and 3.0 for rank 1; ",
        ),
        (
            "--preset makemore",
            "error: the option preset is not given for rank 0 and makemore for rank 1; ",
        ),
    ] {
        let port = port();
        let first = start(&folder, &format!("{ENDLESS} --out a.st"), 0, 2, port);
        let mut changed = format!("{ENDLESS} --out a.st {other}");
        if other.contains("--data") {
            changed = changed.replacen("--data list.txt", "", 1);
        }
        if other.contains("--batch-size") {
            changed = changed.replacen("--batch-size 64", "", 1);
        }
        let second = start(&folder, &changed, 1, 2, port);
        let (status, _, said) = end(first);
        assert_eq!(status, Some(1));
        assert!(said.starts_with(expected), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        let (status, printed, said) = end(second);
        assert_eq!((status, printed.as_str(), said.as_str()), (Some(1), "", ""));
    }
}

/// Each of those that had come told it.
#[test]
fn a_process_that_does_not_come_is_told_by_process_0_alone() {
    let folder = Folder::with_names();
    let port = port();
    let train = format!("{ENDLESS} --timeout 3");
    let [first, second] = [0, 2].map(|rank| start(&folder, &train, rank, 3, port));
    let (status, _, said) = end(first);
    let expected = "error: meeting the other processes: these ranks of 3 did not come: 1\n";
    assert_eq!((status, said.as_str()), (Some(1), expected));
    let (status, _, said) = end(second);
    assert_eq!((status, said.as_str()), (Some(1), ""));
}

#[test]
fn processes_that_do_not_come_are_told_in_time() {
    let folder = Folder::with_names();
    for (rank, expected) in [
        (
            0,
            "error: meeting the other processes: these ranks of 3 did not come: 1, 2\n",
        ),
        (
            2,
            "error: meeting the other processes: nobody was found at 127.0.0.1:",
        ),
    ] {
        let process = start(
            &folder,
            &format!("{ENDLESS} --timeout 0.5"),
            rank,
            3,
            port(),
        );
        let (status, _, said) = end(process);
        assert_eq!(status, Some(1));
        assert!(said.starts_with(expected), "{said}");
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (_, _, said) = end(start(&folder, ENDLESS, 0, 2, port));
    assert!(
        said.contains(&format!("cannot listen at 127.0.0.1:{port}: ")),
        "{said}"
    );
    // Somebody listens who is not process 0.
    let (_, _, said) = end(start(
        &folder,
        &format!("{ENDLESS} --timeout 1"),
        1,
        2,
        port,
    ));
    assert!(
        said.starts_with("error: meeting the other processes: "),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}

/// Gloo's words were of its sources.
#[test]
fn a_network_interface_that_does_not_exist_is_told_with_those_that_do() {
    let folder = Folder::with_names();
    for arguments in [ENDLESS, "launch 2 -- train --type gru --data list.txt"] {
        let mut process = folder.process(arguments);
        process.env("GLOO_SOCKET_IFNAME", "lo,eth77");
        let (status, printed, said) = end(start_process(process, 0, 2, ("127.0.0.1", port())));
        assert_eq!((status, printed.as_str()), (Some(1), ""));
        let expected = "error: choosing a network interface: GLOO_SOCKET_IFNAME is lo,eth77, and the interfaces here are ";
        let here = said
            .strip_prefix(expected)
            .unwrap_or_else(|| panic!("{said}"));
        assert!(
            here.trim_end().split(", ").any(|name| name == "lo"),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

/// A host with a name and a network of its own, which end with this value, or after a minute.
#[cfg(target_os = "linux")]
struct Host(Child);

#[cfg(target_os = "linux")]
impl Host {
    /// A host, if this user may make one.
    fn named(name: &str) -> Option<Self> {
        let script = format!(
            "echo {name} > /proc/sys/kernel/hostname && ip link set lo up && echo && exec sleep 60"
        );
        let mut unshare = Command::new("unshare");
        unshare.args(["--net", "--uts", "sh", "-c", &script]);
        unshare.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut host = Self(unshare.spawn().ok()?);
        // It says that it is there.
        host.0.stdout.as_mut()?.read_exact(&mut [0]).ok()?;
        Some(host)
    }

    /// Connects two hosts, by an interface in each with an address.
    fn connect(&self, address: &str, other: &Self, other_address: &str) -> Option<()> {
        let [here, there] = [self, other].map(|host| host.0.id());
        let link = format!("link add net netns {there} type veth peer name net netns {here}");
        let mut ip = Command::new("ip");
        let made = ip
            .args(link.split(' '))
            .stderr(Stdio::null())
            .status()
            .ok()?;
        made.success().then_some(())?;
        for (host, address) in [(self, address), (other, other_address)] {
            for setting in [
                format!("address add {address}/24 dev net"),
                "link set net up".into(),
            ] {
                let mut ip = Command::new("ip");
                ip.args(setting.split(' '));
                assert!(host.of(&ip).status().unwrap().success(), "{setting}");
            }
        }
        Some(())
    }

    /// A command on this host.
    fn of(&self, command: &Command) -> Command {
        let mut there = Command::new("nsenter");
        there.args(["--net", "--uts", "--target", &self.0.id().to_string()]);
        there.arg(command.get_program()).args(command.get_args());
        there.current_dir(command.get_current_dir().unwrap_or(Path::new(".")));
        there
    }
}

#[cfg(target_os = "linux")]
impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn processes_on_two_hosts_train_as_threads_do_and_name_the_host_of_one_that_is_killed() {
    let [Some(one), Some(other)] = ["makemore-one", "makemore-other"].map(Host::named) else {
        return eprintln!("left out: this user may not make networks and names of hosts");
    };
    if one.connect("10.77.0.1", &other, "10.77.0.2").is_none() {
        return eprintln!("left out: this system does not connect networks");
    }
    let folder = Folder::with_names();
    let start = |train: &str| {
        let place = ("10.77.0.1", port());
        let processes = [(0, &one), (1, &other)];
        processes.map(|(rank, host)| start_process(host.of(&folder.process(train)), rank, 2, place))
    };
    let few = ENDLESS.replace("--max-steps 10000000", "--max-steps 20 -q");
    for process in start(&format!("{few} --out shared.st")) {
        let (status, _, said) = end(process);
        assert_eq!((status, said.as_str()), (Some(0), ""));
    }
    let alone = few.replace("--threads 1 --distributed", "--threads 2 --out alone.st");
    folder.stdout(&alone);
    assert!(folder.read("shared.st") == folder.read("alone.st"));
    let [first, second] = start(&format!("{ENDLESS} --out endless.st"));
    await_file(&folder, "endless.st");
    signal(&second, libc::SIGKILL);
    let (status, _, said) = end(first);
    assert_eq!(status, Some(1));
    assert!(
        said.ends_with(": rank 1 on makemore-other has ended\n"),
        "{said}"
    );
    assert_eq!(said.matches("error: ").count(), 1, "{said}");
    end(second);
}

/// A training that does not end by itself, which `launch` has begun, after its first save.
fn launch(folder: &Folder, size: usize, out: &str) -> Child {
    let train = ENDLESS.replace(" --distributed", "");
    let mut launch = folder.process(&format!("launch {size} -- {train} --out {out}"));
    launch.stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group whose parent is outside, as those of a shell: the system stops no other.
    let launch = launch.process_group(0).spawn().unwrap();
    await_file(folder, out);
    launch
}

#[test]
fn launch_hands_an_interrupt_on_and_leaves_no_process() {
    let folder = Folder::with_names();
    let mut launch = launch(&folder, 2, "a.st");
    signal(&launch, libc::SIGTERM);
    // The pipes are closed when the last process has ended.
    let mut printed = String::new();
    let mut stdout = launch.stdout.take().unwrap();
    stdout.read_to_string(&mut printed).unwrap();
    assert!(printed.contains("Checkpoint: a.st"), "{printed}");
    let (status, _, said) = end(launch);
    assert_eq!(status, Some(128 + libc::SIGTERM));
    let again = "go on with: makemore-tch launch 2 -- train --resume a.st --data list.txt";
    assert!(said.contains(again), "{said}");
    assert!(!said.contains("--distributed"), "{said}");
}

/// Processes that did not end at the first one went on without `launch`.
#[cfg(target_os = "linux")]
#[test]
fn a_second_ctrl_c_of_launch_ends_all_at_once() {
    let folder = Folder::with_names();
    let launch = launch(&folder, 2, "a.st");
    let started = children(&launch);
    // SAFETY: sends a signal to a process that our own child has started and not waited for.
    unsafe { libc::kill(started[1], libc::SIGSTOP) };
    for _ in 0..2 {
        signal(&launch, libc::SIGINT);
        sleep(Duration::from_millis(200));
    }
    assert_eq!(end(launch).0, Some(128 + libc::SIGINT));
    for process in started {
        // SAFETY: sends no signal.
        assert_eq!(unsafe { libc::kill(process, 0) }, -1, "{process}");
    }
}

/// Ctrl-Z stopped `launch` alone, whose processes went on.
#[cfg(target_os = "linux")]
#[test]
fn ctrl_z_stops_all_until_they_are_continued() {
    let folder = Folder::with_names();
    let launch = launch(&folder, 2, "a.st");
    let mut all = children(&launch);
    all.push(launch.id() as i32);
    let is_stopped = |process: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        stat.rsplit_once(')').unwrap().1.starts_with(" T ")
    };
    let await_all = |stopped: bool| {
        let end = Instant::now() + Duration::from_secs(20);
        while !all.iter().all(|process| is_stopped(process) == stopped) {
            assert!(Instant::now() < end, "stopped: {stopped}");
            sleep(Duration::from_millis(10));
        }
    };
    signal(&launch, libc::SIGTSTP);
    await_all(true);
    signal(&launch, libc::SIGCONT);
    await_all(false);
    signal(&launch, libc::SIGTERM);
    assert_eq!(end(launch).0, Some(128 + libc::SIGTERM));
}

/// Checks that 2 and 4 processes end, print and say what one does, which standard input is given to.
fn share_alike(folder: &Folder, command: &str, stdin: &str) {
    let run = |command: &str| {
        let mut process = folder.process(command);
        let input = std::fs::File::open(folder.path(stdin)).unwrap();
        let output = process.stdin(input).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let said = text(output.stderr).replace(
            "standard input is read by process 0 alone; processes share files\n",
            "",
        );
        (output.status.code(), text(output.stdout), said)
    };
    let alone = run(command);
    for size in [2, 4] {
        let shared = run(&format!("launch {size} -- {command}"));
        assert_eq!(shared, alone, "{command} by {size}");
    }
}

/// A folder with plain and compressed lists, one with counts, and one with a bad line at its end.
fn lists() -> Folder {
    let folder = Folder::new();
    let names: Vec<&str> = include_str!("../assets/names.txt")
        .lines()
        .step_by(40)
        .collect();
    let [one, two, three] = [&names[..300], &names[300..500], &names[500..]];
    folder.write("one.txt", one.join("\n"));
    folder.write("two.txt", two.join("\r\n"));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(three.join("\n").as_bytes()).unwrap();
    folder.write("three.gz", gzip.finish().unwrap());
    let lines = one.iter().zip(0..).map(|(name, n)| format!("{n};{name}\n"));
    folder.write(
        "one.csv",
        "n;name\n".to_owned() + &lines.collect::<String>(),
    );
    folder.write("bad.txt", format!("{}\nan\tna\n", one.join("\n")));
    folder
}

#[test]
fn processes_count_what_one_process_counts() {
    let folder = lists();
    share_alike(&folder, "count --data one.txt - three.gz", "two.txt");
    share_alike(
        &folder,
        "-q count --columns name,n --json --data -",
        "one.csv",
    );
    // Of several faults the first is told, on its line.
    share_alike(
        &folder,
        "count --data three.gz bad.txt missing.txt",
        "two.txt",
    );
}

/// Another process opened a named pipe too, and waited for what nobody wrote.
#[test]
fn a_named_pipe_is_read_by_process_0_alone_or_refused() {
    let folder = lists();
    let mut mkfifo = Command::new("mkfifo");
    assert!(mkfifo.arg(folder.path("pipe")).status().unwrap().success());
    for read_by_each in [
        "train --type mlp --data pipe",
        "train --type mlp --data one.txt --test pipe",
        "train --resume pipe",
        "score --data one.txt --model pipe",
    ] {
        let error = folder.error(&format!("launch 2 -- {read_by_each}"), 1);
        assert_eq!(
            error,
            "error: pipe: a pipe is read once, and each process reads all of it; a file would work"
        );
    }
    for (list, command) in [
        ("bad.txt", "train --type ngram --data pipe"),
        (
            "one.csv",
            "train --type ngram --order 2 --data one.csv --columns name,n --dev pipe --split 100,0,0 --out m --force -q",
        ),
    ] {
        let [alone, shared] = ["", "launch 2 -- "].map(|launch| {
            let writing = format!("cat {list} > pipe");
            let mut writer = Command::new("sh");
            let writer = writer.args(["-c", &writing]).current_dir(folder.path("."));
            let mut writer = writer.spawn().unwrap();
            let mut process = folder.process(&format!("{launch}{command}"));
            process.stdout(Stdio::piped()).stderr(Stdio::piped());
            let ended = end(process.spawn().unwrap());
            let _ = writer.kill();
            writer.wait().unwrap();
            ended
        });
        assert_eq!(shared, alone, "{command}");
    }
}

#[test]
fn processes_score_what_one_process_scores() {
    let folder = lists();
    for model in [
        "ngram --order 4",
        "gru --n-embd 8 --n-embd2 8 --max-steps 20",
    ] {
        let (kind, _) = model.split_once(' ').unwrap();
        let train = format!("train --data one.txt two.txt -q --type {model}");
        folder.stdout(&format!("{train} --out {kind}.st"));
    }
    let both = "--model gru.st --model ngram.st --data one.txt two.txt";
    share_alike(&folder, "score --data one.txt three.gz", "two.txt");
    share_alike(&folder, &format!("score --json {both}"), "two.txt");
    share_alike(&folder, "score --model gru.st --data bad.txt", "two.txt");
    // Each scored its words by its own model.
    for (other, expected) in [
        ("--model ngram.st", "the checksum of a model is "),
        ("--smoothing 2", "the option number of models is 1 for "),
        (
            "--model gru.st --n-head 2",
            "the option n-head is not given for rank 0 and 2 for ",
        ),
    ] {
        let port = port();
        let score = |options| format!("score --distributed --data one.txt {options}");
        let first = start(&folder, &score("--model gru.st"), 0, 2, port);
        let second = start(&folder, &score(other), 1, 2, port);
        let (status, printed, said) = end(first);
        assert_eq!((status, printed.as_str()), (Some(1), ""));
        assert!(said.starts_with(&format!("error: {expected}")), "{said}");
        assert_eq!(end(second), (Some(1), String::new(), String::new()));
    }
}

#[test]
fn processes_that_count_save_the_model_of_one_process_byte_for_byte() {
    let folder = lists();
    for (model, size) in [
        ("bigram --epochs 9", 4),
        ("bigram --order 3 --epochs 2 --split 80,10,10", 2),
        ("ngram", 1),
        ("ngram --order 4", 2),
        (
            "ngram --order 5 --smoothing auto --dev two.txt --plot p.svg",
            4,
        ),
    ] {
        let train = format!("train --data one.txt three.gz --type {model} --force --out");
        let printed = folder.stdout(&format!("{train} alone.st"));
        let shared = folder.stdout(&format!("launch {size} -- {train} shared.st"));
        assert!(
            folder.read("shared.st") == folder.read("alone.st"),
            "{model} {size}"
        );
        let shared = shared.replace("shared.st", "alone.st");
        assert_eq!(shared, printed, "{model} {size}");
    }
    let train = "train --type ngram --data one.txt";
    share_alike(&folder, &format!("{train} bad.txt"), "two.txt");
    share_alike(&folder, &format!("{train} --dev missing.txt"), "two.txt");
}

#[test]
fn a_list_that_one_process_lacks_or_has_otherwise_is_told_once() {
    let folder = lists();
    for (other, expected) in [
        ("missing.txt", "error: cannot read one.txt of rank 1 on "),
        ("two.txt", "error: the size of a file of the list is "),
        (
            "one.txt --lowercase",
            "error: the option lowercase is not given for rank 0 and true for ",
        ),
    ] {
        let there = Folder::new();
        let (file, options) = other.split_once(' ').unwrap_or((other, ""));
        if file != "missing.txt" {
            there.write("one.txt", folder.read(file));
        }
        let (port, count) = (port(), "count --distributed --data one.txt");
        let first = start(&folder, count, 0, 2, port);
        let second = start(&there, &format!("{count} {options}"), 1, 2, port);
        let (status, printed, said) = end(first);
        assert_eq!((status, printed.as_str()), (Some(1), ""));
        assert!(said.starts_with(expected), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        let (status, printed, said) = end(second);
        assert_eq!((status, printed.as_str(), said.as_str()), (Some(1), "", ""));
    }
}

#[test]
fn what_cannot_be_shared_is_refused() {
    let folder = Folder::with_names();
    for (arguments, expected) in [
        (
            "train --distributed",
            "launch 2 -- COMMAND, torchrun, srun or mpirun would work",
        ),
        (
            "train --timeout 5",
            "--timeout is of --distributed; leave it out",
        ),
        (
            "launch 2 -- sample",
            "launch starts a command that processes can share; train or count or score would work",
        ),
        (
            "launch 2 -- score emma",
            "words, and each word of --each, are for one process",
        ),
        (
            "launch 2 -- train --type gru --data -",
            "standard input is that of one process; a file that all can read",
        ),
        (
            "launch 2 -- train --type wavenet --data list.txt",
            "normalises by the whole batch, so that one",
        ),
    ] {
        let error = folder.error(arguments, 1);
        assert!(error.contains(expected), "{arguments}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

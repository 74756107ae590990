// SPDX-License-Identifier: Apache-2.0
//! The peer kube-rs: watchers that feed reflector stores, with managedFields cleared. See hack/bench/README.md for what
//! all peers have in common.
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Config, Resource};
use serde::de::DeserializeOwned;
use tokio::signal::unix::{SignalKind, signal};

static EVENTS: AtomicU64 = AtomicU64::new(0);

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Count = Box<dyn Fn() -> usize + Send>;

/// A store that is filled, and when it is.
struct Cache {
    synced: tokio::sync::oneshot::Receiver<()>,
    count: Count,
}

fn settings() -> watcher::Config {
    if std::env::var("STREAMING").is_ok() {
        watcher::Config::default().streaming_lists()
    } else {
        watcher::Config::default()
    }
}

fn watch<K>(api: Api<K>) -> Cache
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    K::DynamicType: Eq + Hash + Clone + Default,
{
    let (store, writer): (Store<K>, _) = reflector::store();
    let (ready, synced) = tokio::sync::oneshot::channel();
    let events = watcher(api, settings())
        .default_backoff()
        .modify(|o| o.meta_mut().managed_fields = None)
        .reflect(writer);
    tokio::spawn(async move {
        let mut ready = Some(ready);
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::InitDone) => {
                    if let Some(r) = ready.take() {
                        let _ = r.send(());
                    }
                }
                Ok(watcher::Event::Apply(_) | watcher::Event::Delete(_)) => {
                    EVENTS.fetch_add(1, Relaxed);
                }
                Ok(_) => {}
                Err(e) => eprintln!("{e}"),
            }
        }
    });
    Cache { synced, count: Box::new(move || store.len()) }
}

fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn cpu() -> f64 {
    let mut u = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: getrusage fills what it is given.
    let u = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, u.as_mut_ptr());
        u.assume_init()
    };
    let s = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    s(u.ru_utime) + s(u.ru_stime)
}

fn wall_ms() -> f64 {
    let start: u128 = std::env::var("BENCH_START").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    (now - start) as f64 / 1e6
}

fn report(at: &str, counts: &[Count]) {
    let objects: usize = counts.iter().map(|c| c()).sum();
    println!(
        "{}",
        serde_json::json!({
            "at": at, "wall_ms": wall_ms(), "cpu_s": cpu(), "rss_kb": status("VmRSS"), "hwm_kb": status("VmHWM"),
            "threads": status("Threads"), "objects": objects, "events": EVENTS.load(Relaxed),
        })
    );
}

/// Says when all is there, then what is asked by signals, until the end.
async fn stay(caches: Vec<Cache>) -> Result<(), Failure> {
    let mut mark = signal(SignalKind::user_defined1())?;
    let mut free = signal(SignalKind::user_defined2())?;
    let mut counts = Vec::new();
    for c in caches {
        c.synced.await?;
        counts.push(c.count);
    }
    report("synced", &counts);
    loop {
        tokio::select! {
            _ = mark.recv() => report("mark", &counts),
            _ = free.recv() => {
                // SAFETY: it has no preconditions.
                unsafe { libc::malloc_trim(0) };
                report("freed", &counts);
            }
        }
    }
}

async fn sync() -> Result<(), Failure> {
    let client = Client::try_default().await?;
    stay(vec![watch::<Service>(Api::all(client.clone())), watch::<EndpointSlice>(Api::all(client))]).await
}

async fn idle(dir: &str, watches: usize, ns: &str) -> Result<(), Failure> {
    let mut files: Vec<_> = std::fs::read_dir(dir)?.filter_map(|e| Some(e.ok()?.path())).collect();
    files.sort();
    let mut caches = Vec::new();
    for file in files {
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &options).await?;
        let c = Client::try_from(config)?;
        caches.push(watch::<Service>(Api::namespaced(c.clone(), ns)));
        caches.push(watch::<Secret>(Api::namespaced(c.clone(), ns)));
        if watches > 2 {
            caches.push(watch::<ConfigMap>(Api::namespaced(c.clone(), ns)));
            caches.push(watch::<Deployment>(Api::namespaced(c.clone(), ns)));
            caches.push(watch::<ServiceAccount>(Api::namespaced(c.clone(), ns)));
            caches.push(watch::<Namespace>(Api::all(c)));
        }
    }
    stay(caches).await
}

/// For every change of one ConfigMap writes another one.
async fn react(ns: &str) -> Result<(), Failure> {
    let api: Api<ConfigMap> = Api::namespaced(Client::try_default().await?, ns);
    let events = watcher(api.clone(), settings().fields("metadata.name=bench-in")).default_backoff();
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event? {
            watcher::Event::InitDone => report("synced", &[]),
            watcher::Event::Apply(o) => {
                let patch = Patch::Merge(serde_json::json!({"data": o.data}));
                api.patch("bench-out", &PatchParams::default(), &patch).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["sync"] => sync().await,
        ["idle", dir, watches, ns] => idle(dir, watches.parse()?, ns).await,
        ["react", ns] => react(ns).await,
        _ => Err("usage: bench-kube-rs sync | idle DIR WATCHES NAMESPACE | react NAMESPACE".into()),
    }
}

//! Looks up the addresses of servers, once for a while.
//!
//! The HTTP client asks for them before every request, even if it has a connection already. With hundreds of small files that is hundreds
//! of questions, of which some name servers drop what comes too fast, and then the resolver waits for seconds.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ureq::Agent;
use ureq::config::{Config, ConfigBuilder};
use ureq::http::Uri;
use ureq::typestate::AgentScope;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

/// How long an answer is used: shorter than servers usually allow.
const KEPT: Duration = Duration::from_secs(30);

/// Answers by scheme, host and port, for all agents of the process.
static KNOWN: Mutex<BTreeMap<String, (Instant, Vec<SocketAddr>)>> = Mutex::new(BTreeMap::new());

/// An agent that shares these answers with all others.
pub(in crate::backend) fn agent(config: ConfigBuilder<AgentScope>) -> Agent {
    Agent::with_parts(
        config.build(),
        DefaultConnector::default(),
        Hosts::default(),
    )
}

#[derive(Debug, Default)]
struct Hosts(DefaultResolver);

impl Resolver for Hosts {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let name = format!(
            "{} {}:{} {:?}",
            uri.scheme_str().unwrap_or_default(),
            uri.host().unwrap_or_default(),
            uri.port_u16().unwrap_or_default(),
            config.ip_family(),
        );
        if let Some((at, known)) = KNOWN.lock().get(&name)
            && at.elapsed() < KEPT
        {
            let mut found = self.empty();
            for address in known {
                found.push(*address);
            }
            return Ok(found);
        }
        // Not under the lock: others may ask for other names meanwhile.
        let found = self.0.resolve(uri, config, timeout)?;
        let addresses = found.iter().copied().collect();
        KNOWN.lock().insert(name, (Instant::now(), addresses));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    #[test]
    fn a_name_is_looked_up_once_for_several_requests() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for connection in server.incoming().take(2) {
                let mut connection = connection.unwrap();
                let _ = connection.read(&mut [0; 4096]).unwrap();
                let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
                connection.write_all(answer).unwrap();
            }
        });
        let agent = agent(Agent::config_builder());
        let ask = || {
            agent
                .get(format!("http://localhost:{port}/"))
                .call()
                .unwrap()
                .status()
        };
        assert_eq!(ask(), 204);
        let at = |name: &str| KNOWN.lock().get(name).map(|(at, _)| *at);
        let names: Vec<String> = KNOWN.lock().keys().cloned().collect();
        let name = names
            .iter()
            .find(|it| it.contains(&format!(":{port} ")))
            .unwrap();
        let first = at(name);
        assert_eq!(ask(), 204);
        assert_eq!(at(name), first);
    }
}

//! Two things that the machine lends for a test: a small disk, and a certificate from elsewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// A small disk of its own, taken away at the end.
pub(crate) struct SmallDisk(pub(crate) PathBuf);

impl SmallDisk {
    pub(crate) fn mounted(at: &Path) -> Self {
        fs::create_dir(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"])
            .arg(at)
            .status();
        assert!(
            mounted.is_ok_and(|status| status.success()),
            "a tmpfs cannot be mounted here: run this test as root, or leave it out with --skip \
             a_full_disk"
        );
        Self(at.to_owned())
    }
    /// Takes all the room there is.
    pub(crate) fn fill(&self) {
        let mut size = 1024 * 1024;
        for nth in 0.. {
            let ballast = self.0.join(format!("ballast-{nth}"));
            if fs::write(&ballast, vec![1_u8; size]).is_err() {
                size /= 4;
            }
            if size < 1_024 {
                return;
            }
        }
    }
    pub(crate) fn make_room(&self) {
        for entry in fs::read_dir(&self.0).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_string_lossy().starts_with("ballast-") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

/// A certificate for 127.0.0.1 that is valid for two days, and who signed it.
pub(crate) fn certificate_of_two_days(home: &Path) -> (PathBuf, PathBuf, CertificateDer<'static>) {
    let settings = home.join("openssl.cnf");
    let text = "[req]\ndistinguished_name = name\nprompt = no\n[name]\nCN = binhyen test\n\
                [ca]\nbasicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign\n\
                subjectKeyIdentifier = hash\n\
                [leaf]\nbasicConstraints = critical,CA:FALSE\nsubjectAltName = IP:127.0.0.1\n\
                extendedKeyUsage = serverAuth\n";
    fs::write(&settings, text).unwrap();
    let make = |name: &str, more: &[&str]| {
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
        let made = Command::new("openssl")
            .current_dir(home)
            .args([
                "req",
                "-x509",
                "-nodes",
                "-days",
                "2",
                "-config",
                "openssl.cnf",
            ])
            .args(curve)
            .args([
                "-keyout",
                &format!("{name}.key"),
                "-out",
                &format!("{name}.crt"),
            ])
            .args(more)
            .output();
        let made = made.unwrap();
        assert!(made.status.success(), "{made:?}");
    };
    make("ca", &["-extensions", "ca"]);
    let signed_by = ["-CA", "ca.crt", "-CAkey", "ca.key"];
    make("leaf", &[&["-extensions", "leaf"], &signed_by[..]].concat());
    let ca = CertificateDer::from_pem_file(home.join("ca.crt")).unwrap();
    (home.join("leaf.crt"), home.join("leaf.key"), ca)
}

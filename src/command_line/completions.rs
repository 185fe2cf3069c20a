//! What shells complete by, of what `commands.rs` says.

use std::ffi::OsString;
use std::fmt::Write as _;

use super::commands::{COMMANDS, Offers, SHELLS};
use super::{Failure, print, unknown};
use crate::config;

/// `mailtap completions SHELL`.
pub(super) fn run(arguments: &[OsString]) -> Result<(), Failure> {
    let [shell] = arguments else {
        return Err(Failure::Usage(
            "completions: name a shell: bash, zsh or fish".to_owned(),
        ));
    };
    match shell.to_str() {
        Some("bash") => print(&bash()),
        Some("zsh") => print(&zsh()),
        Some("fish") => print(&fish()),
        _ => Err(unknown("shell", &shell.to_string_lossy(), SHELLS)),
    }
}

/// Where nothing is offered, bash falls back to names of files (`-o default`).
fn bash() -> String {
    let names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
    let mut script = format!(
        "_mailtap() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} words=
    COMPREPLY=()
    if [ \"$COMP_CWORD\" -eq 1 ]; then
        COMPREPLY=($(compgen -W \"{} --help --version\" -- \"$current\"))
        return
    fi
    # Behind the sign of key=value is a value.
    [ \"${{COMP_WORDS[COMP_CWORD-1]}}\" = = ] && return
    case ${{COMP_WORDS[1]}} in
",
        names.join(" ")
    );
    for command in COMMANDS {
        let _ = writeln!(script, "    {})", command.name);
        let flags = command.flag_names().join(" ");
        let _ = writeln!(script, "        case $current in\n        -*) words=\"{flags}\" ;;");
        match command.offers {
            Offers::Files => {}
            // After nothing at all, files are what is wanted.
            Offers::FilesAndKeys => {
                let _ = writeln!(script, "        ?*) words=\"{}\" ;;", keys().join(" "));
            }
            Offers::Words(words) => {
                let _ = writeln!(script, "        *) words=\"{}\" ;;", words.join(" "));
            }
        }
        script.push_str("        esac\n        ;;\n");
    }
    script.push_str(
        "    esac
    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))
    case ${COMPREPLY[0]-} in
    *=) compopt -o nospace 2> /dev/null ;;
    esac
}
complete -o default -o bashdefault -F _mailtap mailtap
",
    );
    script
}

fn zsh() -> String {
    let mut script = "#compdef mailtap\n\n_mailtap() {\n    local -a commands keys\n    commands=(\n".to_owned();
    for command in COMMANDS {
        let _ = writeln!(script, "        '{}:{}'", command.name, quoted(command.summary));
    }
    let _ = writeln!(
        script,
        "    )
    keys=({})
    if (( CURRENT == 2 )); then
        _describe -t commands command commands
        compadd -- --help --version
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in",
        keys().join(" ")
    );
    for command in COMMANDS {
        let _ = write!(
            script,
            "    {})\n        _arguments '--help[tell more]' '--log-format[of standard error]:format:(text json)' \
             '--log-level[of standard error]:level:(error warn info debug)'",
            command.name
        );
        for flag in command.flags {
            let value = flag.value.map_or("", |_| ":folder:_files -/");
            let _ = write!(
                script,
                " \\\n            '{}[{}]{value}'",
                flag.name,
                in_brackets(flag.meaning)
            );
        }
        let action = match command.offers {
            Offers::Files => "_files".to_owned(),
            Offers::FilesAndKeys => "{ _files; compadd -S \"\" -a keys }".to_owned(),
            Offers::Words(words) => format!("({})", words.join(" ")),
        };
        let _ = writeln!(script, " \\\n            '*:operand:{action}'\n        ;;");
    }
    script.push_str("    esac\n}\n\n_mailtap \"$@\"\n");
    script
}

fn fish() -> String {
    let mut script = String::new();
    let first = "complete -c mailtap -n __fish_use_subcommand";
    for flag in ["help", "version"] {
        let _ = writeln!(script, "{first} -f -l {flag}");
    }
    script.push_str("complete -c mailtap -x -l log-format -a 'text json'\n");
    script.push_str("complete -c mailtap -x -l log-level -a 'error warn info debug'\n");
    for command in COMMANDS {
        let _ = writeln!(
            script,
            "{first} -f -a {} -d '{}'",
            command.name,
            quoted(command.summary)
        );
    }
    for command in COMMANDS {
        let then = format!(
            "complete -c mailtap -n '__fish_seen_subcommand_from {}; and not __fish_use_subcommand'",
            command.name
        );
        let _ = writeln!(script, "{then} -l help -d 'tell more'");
        for flag in command.flags {
            let name = flag.name.trim_start_matches('-');
            let value = flag.value.map_or("", |_| " -r");
            let _ = writeln!(script, "{then} -l {name}{value} -d '{}'", quoted(flag.meaning));
        }
        match command.offers {
            Offers::Files => {}
            Offers::FilesAndKeys => {
                let _ = writeln!(script, "{then} -a '{}'", keys().join(" "));
            }
            Offers::Words(words) => {
                let _ = writeln!(script, "{then} -f -a '{}'", words.join(" "));
            }
        }
    }
    script
}

/// `server=`, `client_options.dest_url=`, …
fn keys() -> Vec<String> {
    config::argument_keys().iter().map(|key| format!("{key}=")).collect()
}

/// What may stand between single quotes, in every shell here.
fn quoted(text: &str) -> String {
    text.replace('\'', "’")
}

/// What zsh takes for a description.
fn in_brackets(text: &str) -> String {
    quoted(text).replace('[', "(").replace(']', ")").replace(':', "\\:")
}

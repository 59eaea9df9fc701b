"""What `crtools --help` prints, and the short form that a wrong line gets."""

from __future__ import annotations

USAGE = """\
Usage:
  crtools dump -t PID -D DIR [OPTION]...
  crtools pre-dump -t PID -D DIR [--prev-images-dir DIR] [OPTION]...
  crtools snapshot -t PID -D DIR [OPTION]...
  crtools restore -D DIR [-d] [OPTION]...
  crtools check [--extra] [--feature NAME|list]
  crtools verify [--shallow] [--record] [--json] DIR
  crtools image show|info|decode|encode FILE-or-DIR
"""

HINT = "Try 'crtools --help' for the options.\n"

HELP = (
    "crtools brings a running process tree to disk and back.\n\n"
    + USAGE
    + """
Commands:
  dump         write the tree whose root is PID to image files, then end it
  pre-dump     write the memory of a tree that runs on: what then builds upon it, with
               --prev-images-dir, writes only what has changed since
  snapshot     write the tree while it runs on: it is stopped for milliseconds
  restore      bring a dumped tree back
  check        try what this kernel and our privileges allow, and say what is missing
  cpuinfo dump|check
               write what this CPU can do to an image file, or compare it with one
  dedup        take pages out of earlier dumps that this one, which builds upon them, has anew
  verify       see whether images are whole, with all that they build upon; --record writes
               checksums for them
  image        look into image files
  Not available yet: lazy-pages, page-server, service, swrk.

Options stand before or after the command. A long option may be shortened as long as it stays
unique. Those marked * can be taken back by --no-NAME. Meanings are those of criu(8).

What and where:
  -t, --tree PID               the root of the tree
  -D, --images-dir DIR         image files; the current directory if not given
  -W, --work-dir DIR           log, pid file and statistics; the images' directory if not given
  -r, --root DIR               restore with this root
      --pidfile FILE           restore: write the root's pid there; the file must not exist
      --status-fd FD           write a zero byte there when done, or ready to serve
      --prev-images-dir DIR    the last pre-dump or dump, relative to the images' directory:
                               pages that have not changed since stay there

What becomes of the tasks:
  -R, --leave-running          dump: let them run on
      --snapshot               dump --leave-running: they run on at once, and copies of them
                               write their memory (crtools snapshot)
  -s, --leave-stopped          leave them stopped
  -d, --restore-detached*      restore: do not wait for the root to end
  -S, --restore-sibling*       restore: the root becomes our sibling, not our child
  -j, --shell-job*             the tree belongs to a shell's session, and keeps our terminal
      --share-pages            dump: what relatives share copy-on-write is written once; only
                               crtools reads such images
      --reflink-pages          dump: and every other tool, too: what they share is there for each,
                               in the same blocks of the disk (btrfs, xfs)
      --keep-zero-pages        dump: write pages that the tasks have filled with zeros, too, so
                               that they are there, and not only zeros, after a restore
      --dry-run                restore: print the plan and touch nothing
      --timens                 restore: monotonic and boot clock go on from where they were
      --strict                 restore: refuse where otherwise a warning says what is missing
      --timeout SECONDS        limit for collecting the tasks (10; 0: none)
      --freeze-cgroup PATH     the tasks' freezer
      --exec-cmd               restore: run the command that follows -- as the tree's parent
      --unprivileged*          work with what we may

Log:
  -o, --log-file FILE          relative to the work directory; standard error if not given
  -v[N], --verbosity[=N]       0 nothing, 1 errors, 2 warnings (default), 3 info, 4 everything
      --log-pid*               lines about a task go to FILE.PID
      --display-stats*         print the figures when done

Config files (/etc/criu/default.conf, ~/.criu/default.conf, $CRIU_CONFIG_FILE):
      --config FILE            read this one instead of the two default ones
      --no-default-config      do not read the two default ones

Scripts:
      --action-script PROGRAM  run it at each stage; CRTOOLS_SCRIPT_ACTION says which

Files:
      --ghost-limit SIZE       largest deleted file to carry along, K, M or G (1M)
      --ghost-fiemap*          find holes by FIEMAP
      --link-remap*            link deleted files that have other names
      --file-validation HOW    what must match on restore: filesize or buildid
      --skip-file-rwx-check*   do not compare the files' permissions
      --evasive-devices*       use any path that leads to the device
  -l, --file-locks*            carry file locks: who shares a file is dumped as well
      --external KIND[ID]:NAME do not carry this object, it is outside: file[MNT_ID:INODE]
                               (hexadecimal), dev[MAJOR/MINOR]:NAME, pipe[INODE]
      --inherit-fd fd[N]:RES   restore: use our descriptor N for this object: a path without
                               its first /, pipe[INODE], memfd:NAME, a name of --external
      --close FD               close a descriptor first
      --force-irmap*           search other names of files whose own is gone
      --irmap-scan-path PATH   search there
      --libdir DIR             plugins

Memory:
      --track-mem*             dump -R or -s: follow changes for a later dump; pre-dump always
      --iterate                dump: pre-dump first, in pre-1, pre-2, ..., until it does not pay
      --iterate-rounds N       at most so often (8)
      --iterate-rate SIZE      until the tree changes no more than this a second
      --auto-dedup*            dump: take pages out of earlier dumps that this one has anew;
                               restore: take them out of the images when they are back
      --checksums              dump: write checksums of all images, for verify
      --pre-dump-mode HOW      splice or read: one way, which does without the task, serves both
      --lazy-pages             bring pages when they are touched
      --stream*                images go through a stream
      --page-server*           pages go to a page server
      --address ADDRESS        its address
      --port PORT              its port
      --ps-socket FD           its connection
      --daemon*                servers go to the background
      --tls*                   encrypt; with --tls-cacert, --tls-cacrl, --tls-cert, --tls-key
                               FILE and --tls-no-cn-verify

Sockets and networks:
      --tcp-established*       carry established connections
      --tcp-close*             carry them as closed
      --skip-in-flight*        leave out connections that are being made
      --ext-unix-sk[=INODE]    unix sockets whose peer is outside
      --network-lock HOW       iptables, nftables or skip
      --veth-pair IN=OUT       names of veth pairs
      --weak-sysctls*          leave out sysctls that do not exist here

Namespaces and mounts:
  -J, --join-ns KIND:PID|FILE  restore into this namespace
      --empty-ns net           do not carry what is in it
  -M, --ext-mount-map KEY:VAL  outside mounts; --enable-external-sharing and
                               --enable-external-masters permit shared and slave ones
      --skip-mnt PATH          leave out a mount
      --enable-fs NAME,...     file systems to trust
      --mntns-compat-mode*     the older way of restoring mounts
      --lsm-profile KIND:NAME  security profile on restore
      --lsm-mount-context TEXT security context of mounts on restore

Control groups:
      --manage-cgroups[=MODE]  none, props, soft, full, strict or ignore
      --cgroup-root [CTL:]PATH root of the groups
      --cgroup-props TEXT      properties; --cgroup-props-file FILE reads them from a file
      --cgroup-dump-controller NAME
                               only these controllers
      --cgroup-yard DIR        where they are mounted

The machine:
      --cpu-cap[=CAP,...]      what of the CPU must be as it was: none, fpu (vector registers),
                               ins (instructions), cpu (everything) or all; ^ takes away;
                               fpu,ins if not given
      --allow-uprobes*         dump tasks with uprobes, without these

Check:
      --extra*                 also what only some trees need
      --experimental*          also what is not used yet
      --all                    everything
      --feature NAME           one feature; "list" prints the names
      --ms, --deprecated*      accepted for old scripts

  -h, --help                   this text
  -V, --version                the versions
"""
)

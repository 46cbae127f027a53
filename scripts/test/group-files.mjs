import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../setup.mjs'

/**
 * The folders whose tests compute and do nothing else: they start no server and no process, wait for nothing and change
 * nothing that another file can see. Each line shares a process, which saves loading the same modules for each file.
 */
const sharing = [['certificate'], ['decision', 'principal', 'spiffe-id'], ['subject', 'svid', 'trust', 'workspace']]

// A file of these folders that does one of these things after all has a process of its own.
const acting = /from 'node:(?:net|tls|http|https|http2|timers\/promises|worker_threads|diagnostics_channel)'|\bmock\b/

/** Parts test files into groups, each of which one process runs. */
export function groupFiles(files) {
  const groups = sharing.map((folders) => files.filter((file) => folders.includes(folderOf(file)) && !isActing(file)))
  const shared = new Set(groups.flat())
  return [
    ...groups.filter((group) => group.length > 0),
    ...files.filter((file) => !shared.has(file)).map((file) => [file]),
  ]
}

function folderOf(file) {
  return file.split('/')[1]
}

function isActing(file) {
  return acting.test(readFileSync(join(root, file), 'utf8'))
}

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../setup.mjs'

/** Folders whose files run programs, change the current folder or log every decision: each file has its own process. */
const apart = ['cli', 'conformance', 'decision-log', 'documents', 'examples']

/** Also for a file that changes or watches global state of the process. */
const common = /\bprocess\.(?:env|chdir|on|once)\b|\bmock\b|\bDate\.now = |\bmemoryUsage\b|'node:diagnostics_channel'/

/** Tests of about this many seconds share a process; loading the tested code takes nearly one second. */
const most = 12

/** Splits test files into groups that each run in one process. Files of a shared group are of the same folder. */
export function groupFiles(files, durations) {
  const groups = []
  let last = { folder: undefined, seconds: 0, files: [] }
  for (const file of files) {
    if (isApart(file)) {
      groups.push([file])
      continue
    }
    const folder = file.split('/')[1]
    const seconds = durations.get(file) ?? 3
    if (last.folder !== folder || last.seconds + seconds > most) {
      last = { folder, seconds: 0, files: [] }
      groups.push(last.files)
    }
    last.files.push(file)
    last.seconds += seconds
  }
  return groups
}

export function isApart(file) {
  return apart.includes(file.split('/')[1]) || common.test(readFileSync(join(root, file), 'utf8'))
}

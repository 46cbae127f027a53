import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../setup.mjs'

/** Folders whose files run programs, or change the current folder: each file has a process of its own. */
const apart = ['cli', 'conformance', 'documents', 'examples']

/** So does a file that changes or watches what all files of a process have in common. */
const common = /\bprocess\.(?:env|chdir|on|once)\b|\bmock\b|\bDate\.now = |\bmemoryUsage\b|'node:diagnostics_channel'/

/** About as many seconds of tests share a process; it takes nearly one to load what they test. */
const most = 12

/** Parts test files into groups, each of which one process runs. Those that may share one are of the same folder. */
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

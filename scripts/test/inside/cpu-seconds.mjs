import { readFileSync } from 'node:fs'

/** The seconds of processor time of this process, and of its children that have exited. */
export function cpuSeconds() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6 + childSeconds()
}

// Node.js does not expose it. Linux has it in a file (proc_pid_stat(5), cutime and cstime).
function childSeconds() {
  try {
    const fields = readFileSync('/proc/self/stat', 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return (Number(fields[13]) + Number(fields[14])) / 100
  } catch {
    return 0
  }
}

import { readFileSync } from 'node:fs'

/** How many seconds of processor time this process has used, and those that it started and that have ended. */
export function cpuSeconds() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6 + childSeconds()
}

// Node.js does not know; of the systems that it runs on, Linux has it in a file (proc_pid_stat(5), cutime and cstime).
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

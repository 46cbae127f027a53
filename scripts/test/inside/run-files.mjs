/** Runs the given compiled test files in this process, one after the other, and records where each ends. */
import { pathToFileURL } from 'node:url'
import { cpuSeconds } from './cpu-seconds.mjs'
import { runFile } from './node-test.mjs'
import { writeEvent } from './write-event.mjs'

// The parent process is gone, so nothing else would stop this process and its children.
process.once('disconnect', () => process.kill(process.platform === 'win32' ? process.pid : -process.pid, 'SIGKILL'))
process.once('exit', () => writeEvent({ type: 'process:end', cpu: cpuSeconds() }))

// A test that waits forever has to end by its time limit, and not because the event loop is empty: on Node.js 20 that
// silently ends all further tests of the process too. Not a timer, because some tests would detect it.
process.channel?.ref()
const isFiltered = process.execArgv.some((flag) => /^--test-(?:only|name-pattern|skip-pattern)/.test(flag))
for (const path of process.argv.slice(2)) {
  writeEvent({ type: 'file:start', path })
  const hasTests = await runFile(path, () => import(pathToFileURL(path).href))
  writeEvent({ type: 'file:end', path, at: Date.now(), cpu: cpuSeconds(), isReported: hasTests && !isFiltered })
}
process.channel?.unref()
// For a process that keeps running although its tests have finished: what it waits for.
setTimeout(() => writeEvent({ type: 'left', resources: process.getActiveResourcesInfo() }), 5000).unref()

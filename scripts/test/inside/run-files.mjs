/** Runs the compiled test files that it is given in this process, one after the other, and writes down where each ends. */
import { pathToFileURL } from 'node:url'
import { cpuSeconds } from './cpu-seconds.mjs'
import { runFile } from './node-test.mjs'
import { writeEvent } from './write-event.mjs'

// Whoever started us is gone: nobody would end what runs here and in the processes that it has started.
process.once('disconnect', () => process.kill(process.platform === 'win32' ? process.pid : -process.pid, 'SIGKILL'))
process.once('exit', () => writeEvent({ type: 'process:end', cpu: cpuSeconds() }))

// A test that waits for what never comes is to end by its time limit, and not because there is nothing else to do: on
// Node.js 20 that ends all further tests of the process as well, without a word. No timer, which some tests would find.
process.channel?.ref()
const isFiltered = process.execArgv.some((flag) => /^--test-(?:only|name-pattern|skip-pattern)/.test(flag))
for (const path of process.argv.slice(2)) {
  writeEvent({ type: 'file:start', path })
  const hasTests = await runFile(path, () => import(pathToFileURL(path).href))
  writeEvent({ type: 'file:end', path, at: Date.now(), cpu: cpuSeconds(), isReported: hasTests && !isFiltered })
}
process.channel?.unref()
// For a process that goes on although there is nothing left to do: what it waits for.
setTimeout(() => writeEvent({ type: 'left', resources: process.getActiveResourcesInfo() }), 5000).unref()

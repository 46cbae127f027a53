/** Runs the compiled test files that it is given in this process, one after the other, and writes down where each ends. */
import { pathToFileURL } from 'node:url'
import { cpuSeconds } from './cpu-seconds.mjs'
import { settleTests, test } from './node-test.mjs'
import { writeEvent } from './write-event.mjs'

// Whoever started us is gone: nobody would end what runs here and in the processes that it has started.
process.once('disconnect', () => process.kill(process.platform === 'win32' ? process.pid : -process.pid, 'SIGKILL'))
process.channel?.unref()

process.once('exit', () => writeEvent({ type: 'process:end', cpu: cpuSeconds() }))

for (const path of process.argv.slice(2)) {
  writeEvent({ type: 'file:start', path })
  try {
    await import(pathToFileURL(path).href)
  } catch (error) {
    void test('the file is loaded', () => {
      throw error
    })
  }
  writeEvent({ type: 'file:end', path, topLevelTests: await settleTests(), at: Date.now(), cpu: cpuSeconds() })
}

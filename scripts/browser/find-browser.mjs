import { spawnSync } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { existsSync } from 'node:fs'

const names = ['chromium', 'chromium-browser', 'google-chrome']

/** Returns the path of Chromium or Chrome. If none is on the PATH, prints so and exits the script as skipped. */
export function findBrowser() {
  const found = names.find((name) => spawnSync(name, ['--version']).status === 0)
  if (found === undefined) {
    process.stdout.write(`found none of ${names.join(', ')} on the PATH.\nskipped\n`)
    process.exit(0)
  }
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.map((folder) => join(folder, found)).find((path) => existsSync(path)) ?? found
}

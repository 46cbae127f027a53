/** `npm run pack -- <folder>`: builds, bundles and packs every package into that folder, for use in another project. */
import { existsSync, readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { listTarballs, packPackages } from './check/tarballs.mjs'
import { build, fail, install } from './setup.mjs'

const [folder, ...rest] = process.argv.slice(2)
if (folder === undefined || rest.length > 0) fail('Found no folder, or several, expected one: npm run pack -- <folder>')
// Packing empties the folder.
if (existsSync(folder) && readdirSync(folder).some((name) => !/^countersign-.+\.tgz$/.test(name))) {
  fail(`Found other files in ${folder}, expected a new or an empty folder`)
}

install()
build()
const { error, status, output } = packPackages(resolve(folder))
if (status !== 0) fail(`Packing failed:\n${error?.message ?? output}`)
process.stdout.write(`${listTarballs(resolve(folder)).join('\n')}\n`)

/** Builds the site: the API reference, the pages, and out of both the files in dist/. `scripts/docs.mjs` runs it. */
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Application } from 'typedoc'
import { build } from 'vitepress'
import { pages, stagePages } from './build/stage-pages.mjs'

const folder = fileURLToPath(new URL('.', import.meta.url))
process.chdir(folder)
rmSync(pages, { recursive: true, force: true })

say('writing the API reference')
const app = await Application.bootstrapWithPlugins({ options: folder })
const project = await app.convert()
if (project === undefined) process.exit(1)
app.validate(project)
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exit(1)
await app.generateOutputs(project)

say('building the pages')
stagePages()
await build(fileURLToPath(new URL('..', import.meta.url)))

// scripts/with-progress.mjs shows the last of these.
function say(what) {
  process.stdout.write(`Progress: ${what}\n`)
}

import { join } from 'node:path'
import { fail, install, installTools, root, runShown } from '../setup.mjs'

/** Where the tools of the site are, and its configuration. */
export const siteFolder = join(root, 'docs/.vitepress')

/** Where the built site is. */
export const site = join(siteFolder, 'dist')

/** Builds the site. Ends the script if something is undocumented or a link is dead. */
export function buildSite() {
  install()
  installTools(siteFolder)
  process.stderr.write('Building the site: the API reference from the sources, then the pages of docs/.\n')
  if (runShown('building the site', process.execPath, [join(siteFolder, 'build.mjs')]) === 0) return
  fail(
    'The site was not built: fix what is reported above. An export needs a doc comment, and a link a page and a heading.',
  )
}

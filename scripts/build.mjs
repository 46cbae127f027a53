/** `npm run build`: installs if needed and compiles the whole workspace. */
import { build, install } from './setup.mjs'

install()
build()

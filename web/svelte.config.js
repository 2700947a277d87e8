// Svelte's own options: none beyond the defaults.
// SPDX-License-Identifier: Apache-2.0
export default {};

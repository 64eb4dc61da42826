/** Where the files lie that PDF.js loads by name. */
declare const __PDF_FILES__: string;

